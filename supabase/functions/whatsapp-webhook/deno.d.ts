/** The part of the runtime's global that index.ts uses, for editors and `tsc`; Deno brings its own types. */
declare const Deno: {
  readonly env: { get(name: string): string | undefined }
  serve(handler: (request: Request) => Response | Promise<Response>): unknown
}
