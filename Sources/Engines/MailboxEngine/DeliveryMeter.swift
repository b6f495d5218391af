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

/// What one copy has taken of its delivery key's allowances.
struct DeliveryCharge: Sendable {
  fileprivate let key: UInt64
  fileprivate let units: Int
  /// It counts against what may lie there while the owner is away.
  fileprivate let isShare: Bool
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

  /// Takes what an envelope costs from its delivery key's allowances, until it is known whether it comes to lie there.
  ///
  /// - Parameters:
  ///   - isOwnerPresent: whether the mailbox has an open stream.
  ///   - seconds: since 1970.
  /// - Returns: nil when they do not suffice.
  func admit(_ target: DeliveryTarget, byteCount: Int, isOwnerPresent: Bool, at seconds: UInt64) -> DeliveryCharge? {
    let units = 1 + byteCount / Self.unitByteCount
    // The name is an HMAC already: its first bytes are as good a number as any.
    let key = target.deliveryKey.bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let now = Self.microseconds(seconds)
    return state.withLock { state in
      guard isOwnerPresent || state.share.look(for: units, in: state.limits.share, of: key, at: now).isAllowed,
        state.pace.take(units, from: state.limits.pace, of: key, at: now).isAllowed
      else { return nil }
      if !isOwnerPresent { state.share.charge(units, to: state.limits.share, of: key, at: now) }
      return DeliveryCharge(key: key, units: units, isShare: !isOwnerPresent)
    }
  }

  /// Gives back what was taken for copies that do not lie in a mailbox by it: repeated ones, and what found no room.
  func giveBack(_ charges: some Sequence<DeliveryCharge>, at seconds: UInt64) {
    let now = Self.microseconds(seconds)
    state.withLock { state in
      for charge in charges {
        state.pace.giveBack(charge.units, to: state.limits.pace, of: charge.key, at: now)
        if charge.isShare { state.share.giveBack(charge.units, to: state.limits.share, of: charge.key, at: now) }
      }
    }
  }

  private static func microseconds(_ seconds: UInt64) -> UInt64 { min(seconds, 1 << 42) * 1_000_000 }
}
