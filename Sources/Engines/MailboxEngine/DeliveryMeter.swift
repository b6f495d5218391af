public import Metering
import SottoProtocol
import Synchronization

/// How much one delivery key may bring into its mailbox. A key belongs to one conversation, so a member who floods it is
/// bounded, and the mailbox keeps room for its owner's other conversations.
///
/// A unit is an envelope, or its part of a mailbox's bytes where it is larger than the mean envelope of a full mailbox.
public struct DeliveryLimits: Sendable, Equatable {
  /// At any time: twenty a second in the long run.
  public var pace = Allowance(burst: 2_000, perMinute: 1_200)
  /// While the owner is away: a quarter of the mailbox at once, and somewhat more than a quarter a day.
  public var share = Allowance(burst: Limits.mailboxEnvelopeCount / 4, perMinute: 2)

  public init() {}
}

/// Counts what comes by each delivery key, in memory only and under the names of storage.
final class DeliveryMeter: Sendable {
  private struct State {
    var limits: DeliveryLimits
    var pace = SpendingTable(placeCount: 1 << 14)
    var share = SpendingTable(placeCount: 1 << 14)
  }

  /// Bytes of a unit.
  private static let unitByteCount = Limits.mailboxByteCount / Limits.mailboxEnvelopeCount

  private let state: Mutex<State>

  init(_ limits: DeliveryLimits) { state = Mutex(State(limits: limits)) }

  func replaceLimits(with limits: DeliveryLimits) { state.withLock { $0.limits = limits } }

  /// Takes what an envelope costs from its delivery key's allowances.
  ///
  /// - Parameters:
  ///   - isOwnerPresent: whether the mailbox has an open stream.
  ///   - seconds: since 1970.
  func admits(_ target: DeliveryTarget, byteCount: Int, isOwnerPresent: Bool, at seconds: UInt64) -> Bool {
    let units = 1 + byteCount / Self.unitByteCount
    // The name is an HMAC already: its first bytes are as good a number as any.
    let key = target.deliveryKey.bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let now = min(seconds, 1 << 42) * 1_000_000
    return state.withLock { state in
      guard isOwnerPresent || state.share.look(for: units, in: state.limits.share, of: key, at: now).isAllowed,
        state.pace.take(units, from: state.limits.pace, of: key, at: now).isAllowed
      else { return false }
      if !isOwnerPresent { state.share.charge(units, to: state.limits.share, of: key, at: now) }
      return true
    }
  }
}
