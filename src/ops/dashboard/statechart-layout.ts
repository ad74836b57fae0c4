/**
 * Where each state of machines/attachment.ts stands in the picture. Laid by hand, because a picture that is looked
 * at every day should be calm; a test compares states and arrows with the machine, so that it cannot drift.
 */
export interface Box {
  readonly state: string
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface Arrow {
  readonly from: string
  readonly to: string
  readonly path: string
}

export interface Layout {
  readonly width: number
  readonly height: number
  /** The state that the others are inside of. */
  readonly frame: Box
  readonly boxes: readonly Box[]
  readonly arrows: readonly Arrow[]
}

const box = (state: string, x: number, y: number, width: number, height: number): Box => ({
  state,
  x,
  y,
  width,
  height,
})
const arrow = (from: string, to: string, path: string): Arrow => ({ from, to, path })

export const WIDE: Layout = {
  width: 980,
  height: 348,
  frame: box('UPLOADING', 188, 16, 560, 296),
  boxes: [
    box('waiting', 8, 118, 132, 60),
    box('resolving', 216, 72, 132, 60),
    box('transferring', 424, 72, 132, 60),
    box('judging', 320, 206, 132, 60),
    box('settling', 592, 138, 132, 60),
    box('UPLOADED', 836, 16, 136, 60),
    box('PENDING', 836, 96, 136, 60),
    box('FAILED', 836, 176, 136, 60),
    box('released', 836, 256, 136, 60),
  ],
  arrows: [
    arrow('waiting', 'UPLOADING', 'M140 148H188'),
    arrow('waiting', 'settling', 'M92 178V280Q92 290 102 290H662Q672 290 672 280V198'),
    arrow('waiting', 'released', 'M52 178V326Q52 336 62 336H894Q904 336 904 326V316'),
    arrow('UPLOADING', 'released', 'M748 298H836'),
    arrow('resolving', 'settling', 'M282 72V58Q282 48 292 48H668Q678 48 678 58V138'),
    arrow('transferring', 'settling', 'M556 102H624Q634 102 634 112V138'),
    arrow('judging', 'settling', 'M452 236H624Q634 236 634 226V198'),
    arrow('resolving', 'transferring', 'M348 92H424'),
    arrow('transferring', 'resolving', 'M424 114H348'),
    arrow('resolving', 'judging', 'M282 132V226Q282 236 292 236H320'),
    arrow('transferring', 'judging', 'M490 132V160Q490 170 480 170H396Q386 170 386 180V206'),
    arrow('settling', 'UPLOADED', 'M724 168C780 168 770 46 836 46'),
    arrow('settling', 'PENDING', 'M724 168C780 168 780 126 836 126'),
    arrow('settling', 'FAILED', 'M724 168C780 168 780 206 836 206'),
    arrow('settling', 'released', 'M724 168C780 168 770 276 836 276'),
  ],
}

export const NARROW: Layout = {
  width: 360,
  height: 560,
  frame: box('UPLOADING', 22, 92, 316, 330),
  boxes: [
    box('waiting', 122, 4, 116, 52),
    box('resolving', 48, 132, 112, 52),
    box('transferring', 212, 132, 112, 52),
    box('judging', 48, 244, 112, 52),
    box('settling', 212, 346, 112, 52),
    box('UPLOADED', 2, 492, 84, 60),
    box('PENDING', 92, 492, 84, 60),
    box('FAILED', 182, 492, 84, 60),
    box('released', 272, 492, 86, 60),
  ],
  arrows: [
    arrow('waiting', 'UPLOADING', 'M180 56V92'),
    arrow('waiting', 'settling', 'M122 30H18Q8 30 8 40V376Q8 386 18 386H212'),
    arrow('waiting', 'released', 'M238 30H340Q350 30 350 40V492'),
    arrow('UPLOADING', 'released', 'M328 422V492'),
    arrow('resolving', 'settling', 'M48 158H46Q36 158 36 168V350Q36 360 46 360H212'),
    arrow('transferring', 'settling', 'M290 184V346'),
    arrow('judging', 'settling', 'M104 296V363Q104 373 114 373H212'),
    arrow('resolving', 'transferring', 'M160 148H212'),
    arrow('transferring', 'resolving', 'M212 168H160'),
    arrow('resolving', 'judging', 'M104 184V244'),
    arrow('transferring', 'judging', 'M242 184V260Q242 270 232 270H160'),
    arrow('settling', 'UPLOADED', 'M268 398C268 460 44 440 44 492'),
    arrow('settling', 'PENDING', 'M268 398C268 450 134 440 134 492'),
    arrow('settling', 'FAILED', 'M268 398C268 450 224 440 224 492'),
    arrow('settling', 'released', 'M268 398C268 450 300 440 300 492'),
  ],
}
