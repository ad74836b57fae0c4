/**
 * What the daemon's HTTP API answers, by the names that this page uses. Page and server come from one package, so
 * nothing is checked again in the browser.
 */
import type { z } from 'zod'
import type {
  ActivityAnswer,
  failuresShape,
  listShape,
  openedShape,
  RejectedAnswer,
  SummaryAnswer,
} from '../../api-shapes.ts'

export type { FullRow, RejectedAnswer, Row, StoryEvent } from '../../api-shapes.ts'
export type { MediaKind, UploadStatus } from '../../attachment.ts'

export type Summary = SummaryAnswer
export type RealtimeState = Summary['realtime']
export type Circuit = Summary['circuits'][number]
export type Daemon = Summary['daemons'][number]
export type Activity = ActivityAnswer
export type Minute = Activity['minutes'][number]
export type ListAnswer = z.output<typeof listShape>
export type Opened = z.output<typeof openedShape>
export type Failures = z.output<typeof failuresShape>
export type FailureGroup = Failures['codes'][number]
export type Rejected = RejectedAnswer['rows'][number]
