public import SottoProtocol

/// Something that the engine wants done on the network. Work survives restarts; the same work may be handed out again, with the same bytes.
public struct Work: Sendable {
  public enum Action: Sendable {
    /// `POST /v1/call`.
    case call(Request)
    /// On the stream of this device's mailbox; the `id` in the message is `Work.id` cut to 32 bits.
    case owner(OwnerMessage)
    /// Fetch the server's identity statement, check it, and give it to `noteStatement` before this is completed.
    case identify
  }

  public let id: UInt64
  public let server: ServerAddress
  public let action: Action

  /// The id that owner messages carry and answers repeat.
  public var ownerID: UInt32 { UInt32(truncatingIfNeeded: id) }
}

/// How a piece of work ended.
public enum WorkResult: Sendable {
  case answer(Answer)
  case done(OwnerOutcome)
  case vouchers([Permission])
  /// Signatures on what `issue` asked for.
  case issued([BlindNumber])
  /// The server's statement has been noted.
  case identified
  /// Unreachable, or no answer: it is tried again, with the same bytes.
  case failed
}
