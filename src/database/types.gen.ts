// Written by `npm run database:types` from supabase/migrations.

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]

export type Database = {
  public: {
    Tables: {
      attachments: {
        Row: {
          animated: boolean | null
          bucket: string
          caption: string | null
          claim_token: number
          content_type: string | null
          created_at: string
          created_xid: unknown
          declared_mime_type: string | null
          declared_sha256: string | null
          error_code: string | null
          error_message: string | null
          expires_at: string
          file_name: string | null
          id: number
          kind: string | null
          lead_id: number | null
          leased_by: string | null
          leased_until: string | null
          lost_leases: number
          max_attempts: number
          message_id: string
          next_attempt_at: string
          object_key: string | null
          object_prefix: string
          phone_number_id: string
          sent_at: string
          sha256: string | null
          size_bytes: number | null
          updated_at: string
          upload_attempts: number
          upload_status: Database['public']['Enums']['upload_status']
          uploaded_at: string | null
          verified: boolean
          voice: boolean | null
          whatsapp_media_id: string | null
        }
        ComputedFields: never
        Insert: {
          animated?: boolean | null
          bucket?: string
          caption?: string | null
          claim_token?: number
          content_type?: string | null
          created_at?: string
          created_xid?: unknown
          declared_mime_type?: string | null
          declared_sha256?: string | null
          error_code?: string | null
          error_message?: string | null
          expires_at: string
          file_name?: string | null
          id?: never
          kind?: string | null
          lead_id?: number | null
          leased_by?: string | null
          leased_until?: string | null
          lost_leases?: number
          max_attempts?: number
          message_id: string
          next_attempt_at?: string
          object_key?: string | null
          object_prefix: string
          phone_number_id: string
          sent_at: string
          sha256?: string | null
          size_bytes?: number | null
          updated_at?: string
          upload_attempts?: number
          upload_status?: Database['public']['Enums']['upload_status']
          uploaded_at?: string | null
          verified?: boolean
          voice?: boolean | null
          whatsapp_media_id?: string | null
        }
        Update: {
          animated?: boolean | null
          bucket?: string
          caption?: string | null
          claim_token?: number
          content_type?: string | null
          created_at?: string
          created_xid?: unknown
          declared_mime_type?: string | null
          declared_sha256?: string | null
          error_code?: string | null
          error_message?: string | null
          expires_at?: string
          file_name?: string | null
          id?: never
          kind?: string | null
          lead_id?: number | null
          leased_by?: string | null
          leased_until?: string | null
          lost_leases?: number
          max_attempts?: number
          message_id?: string
          next_attempt_at?: string
          object_key?: string | null
          object_prefix?: string
          phone_number_id?: string
          sent_at?: string
          sha256?: string | null
          size_bytes?: number | null
          updated_at?: string
          upload_attempts?: number
          upload_status?: Database['public']['Enums']['upload_status']
          uploaded_at?: string | null
          verified?: boolean
          voice?: boolean | null
          whatsapp_media_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: 'attachments_lead_id_fkey'
            columns: ['lead_id']
            isOneToOne: false
            referencedRelation: 'leads'
            referencedColumns: ['id']
          },
        ]
      }
      leads: {
        Row: {
          created_at: string
          forget_after: string | null
          id: number
          phone: string | null
          phone_seen_at: string
          profile_name: string | null
          updated_at: string
          user_id: string | null
        }
        ComputedFields: never
        Insert: {
          created_at?: string
          forget_after?: string | null
          id?: never
          phone?: string | null
          phone_seen_at?: string
          profile_name?: string | null
          updated_at?: string
          user_id?: string | null
        }
        Update: {
          created_at?: string
          forget_after?: string | null
          id?: never
          phone?: string | null
          phone_seen_at?: string
          profile_name?: string | null
          updated_at?: string
          user_id?: string | null
        }
        Relationships: []
      }
      pipeline_control: {
        Row: {
          changed_at: string
          changed_by: string | null
          paused: boolean
          reason: string | null
          singleton: boolean
        }
        ComputedFields: never
        Insert: {
          changed_at?: string
          changed_by?: string | null
          paused?: boolean
          reason?: string | null
          singleton?: boolean
        }
        Update: {
          changed_at?: string
          changed_by?: string | null
          paused?: boolean
          reason?: string | null
          singleton?: boolean
        }
        Relationships: []
      }
      processed_messages: {
        Row: {
          lead_id: number | null
          message_id: string
          processed_at: string
        }
        ComputedFields: never
        Insert: {
          lead_id?: number | null
          message_id: string
          processed_at?: string
        }
        Update: {
          lead_id?: number | null
          message_id?: string
          processed_at?: string
        }
        Relationships: [
          {
            foreignKeyName: 'processed_messages_lead_id_fkey'
            columns: ['lead_id']
            isOneToOne: false
            referencedRelation: 'leads'
            referencedColumns: ['id']
          },
        ]
      }
      realtime_canary: {
        Row: {
          beat: number
          circuits: NonNullable<Json>
          last_seen: string
          state: string
          version: string
          worker: string
        }
        ComputedFields: never
        Insert: {
          beat?: number
          circuits?: NonNullable<Json>
          last_seen?: string
          state: string
          version: string
          worker: string
        }
        Update: {
          beat?: number
          circuits?: NonNullable<Json>
          last_seen?: string
          state?: string
          version?: string
          worker?: string
        }
        Relationships: []
      }
      rejected_payloads: {
        Row: {
          first_seen_at: string
          id: number
          last_seen_at: string
          message_id: string | null
          payload: string
          payload_sha256: string
          phone_number_id: string | null
          reason: string
          times: number
        }
        ComputedFields: never
        Insert: {
          first_seen_at?: string
          id?: never
          last_seen_at?: string
          message_id?: string | null
          payload: string
          payload_sha256?: never
          phone_number_id?: string | null
          reason: string
          times?: number
        }
        Update: {
          first_seen_at?: string
          id?: never
          last_seen_at?: string
          message_id?: string | null
          payload?: string
          payload_sha256?: never
          phone_number_id?: string | null
          reason?: string
          times?: number
        }
        Relationships: []
      }
      system_events: {
        Row: {
          attachment_id: number | null
          created_at: string
          detail: NonNullable<Json>
          event: string
          id: number
          worker: string | null
        }
        ComputedFields: never
        Insert: {
          attachment_id?: number | null
          created_at?: string
          detail?: NonNullable<Json>
          event: string
          id?: never
          worker?: string | null
        }
        Update: {
          attachment_id?: number | null
          created_at?: string
          detail?: NonNullable<Json>
          event?: string
          id?: never
          worker?: string | null
        }
        Relationships: [
          {
            foreignKeyName: 'system_events_attachment_id_fkey'
            columns: ['attachment_id']
            isOneToOne: false
            referencedRelation: 'attachments'
            referencedColumns: ['id']
          },
        ]
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      attachment_story: { Args: { id: number; max?: number }; Returns: Json }
      attachments_after: { Args: { id?: number; max?: number; xid?: unknown }; Returns: Json }
      beat_canary: { Args: { circuits: Json; state: string; version: string; worker: string }; Returns: Json }
      claim_attachments: {
        Args: { ids: number[]; lease: string; max: number; worker: string }
        Returns: Json
      }
      count_prunable: { Args: { older_than: string; what: string }; Returns: Json }
      expiring_attachments: { Args: { within?: string }; Returns: Json }
      failure_counts: { Args: Record<PropertyKey, never>; Returns: Json }
      forget_lead: { Args: { lead_id: number; max?: number; phase: string }; Returns: Json }
      ingest_whatsapp_messages: { Args: { messages: Json; rejected: Json }; Returns: Json }
      lead_footprint: { Args: { lead_id: number }; Returns: Json }
      list_attachments: {
        Args: {
          before?: number
          code?: string
          containing?: string
          kind?: string
          lead_id?: number
          max?: number
          sender?: string
          status?: string
        }
        Returns: Json
      }
      list_rejected: { Args: { before?: number; max?: number }; Returns: Json }
      mediaferry_checkup: { Args: { functions: string[]; tables: string[] }; Returns: Json }
      mediaferry_schema: { Args: Record<PropertyKey, never>; Returns: Json }
      pipeline_summary: { Args: Record<PropertyKey, never>; Returns: Json }
      prune_records: { Args: { max?: number; older_than: string; what: string }; Returns: Json }
      raise_alert: { Args: { alert: string; detail: Json; quiet: string; worker?: string }; Returns: Json }
      record_events: { Args: { events: Json }; Returns: Json }
      refetch_attachments: { Args: { objects: Json }; Returns: Json }
      rejected_payload: { Args: { id: number }; Returns: Json }
      release_claims: { Args: { worker: string }; Returns: Json }
      renew_leases: { Args: { claims: Json; lease: string; worker: string }; Returns: Json }
      retry_attachments: { Args: { code?: string; ids?: number[]; max?: number }; Returns: Json }
      retry_by_operator: {
        Args: { changed_by: string; code?: string; ids?: number[]; max?: number }
        Returns: Json
      }
      set_pipeline_paused: { Args: { changed_by?: string; paused: boolean; reason?: string }; Returns: Json }
      settle_attachments: { Args: { results: Json; worker: string }; Returns: Json }
      upload_activity: { Args: Record<PropertyKey, never>; Returns: Json }
    }
    Enums: {
      upload_status: 'PENDING' | 'UPLOADING' | 'UPLOADED' | 'FAILED'
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
}

type DatabaseWithoutInternals = Omit<Database, '__InternalSupabase'>

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, 'public'>]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema['Tables'] & DefaultSchema['Views'])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Views'])
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Views'])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema['Tables'] & DefaultSchema['Views'])
    ? (DefaultSchema['Tables'] & DefaultSchema['Views'])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R
      }
      ? R
      : never
    : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema['Tables']
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables']
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema['Tables']
    ? DefaultSchema['Tables'][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I
      }
      ? I
      : never
    : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema['Tables']
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables']
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema['Tables']
    ? DefaultSchema['Tables'][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U
      }
      ? U
      : never
    : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema['Enums']
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions['schema']]['Enums']
    : never = never,
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions['schema']]['Enums'][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema['Enums']
    ? DefaultSchema['Enums'][DefaultSchemaEnumNameOrOptions]
    : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema['CompositeTypes']
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions['schema']]['CompositeTypes']
    : never = never,
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions['schema']]['CompositeTypes'][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema['CompositeTypes']
    ? DefaultSchema['CompositeTypes'][PublicCompositeTypeNameOrOptions]
    : never

export const Constants = {
  public: {
    Enums: {
      upload_status: ['PENDING', 'UPLOADING', 'UPLOADED', 'FAILED'],
    },
  },
} as const
