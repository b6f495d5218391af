import MailboxEngine
import Synchronization

/// What delivery keys grant, of mailboxes that were written to lately: in memory, so that sending there again opens no record.
///
/// A grant holds for one version of its mailbox's record. A version is taken before a read begins. The writer counts a change when it
/// makes it, for what follows in the same transaction, and once more when the transaction has ended: until then readers may still find
/// what was there before. What is known then becomes what the new record says, so that whoever sends next learns nothing by the time
/// that it takes. What is not granted is not remembered: nobody without a delivery key makes this grow, and a refusal takes as long for
/// a mailbox that is written to often as for any other.
final class KnownGrants: Sendable {
  /// Mailboxes whose versions are counted together: those with the same first two bytes.
  private static let groupCount = 1 << 16
  /// What was not used for so long is forgotten, at the latest after twice as long.
  private static let generationTime = Duration.seconds(1_800)
  /// Keys of one mailbox that are looked at again when its record changes, times those that the record has: the writer has others
  /// waiting, and nearly all mailboxes have fewer.
  private static let renewedCount = 64 * 64

  /// Of one mailbox.
  private struct Known {
    var grant: DeliveryGrant
    /// Those that have shown themselves.
    var keys: Set<StoredName>

    /// What the record says now; nil where it grants none of this, or where that would take long and the next lookup says it.
    func renewed(_ grant: DeliveryGrant, _ record: MailboxRecord) -> Known? {
      guard keys.count * record.deliveryKeyCount <= KnownGrants.renewedCount else { return nil }
      let granted = keys.filter(record.accepts)
      return granted.isEmpty ? nil : Known(grant: grant, keys: granted)
    }
  }

  private struct State {
    var versions = [UInt64](repeating: 0, count: groupCount)
    /// Records that the running transaction has written.
    var changed: [StoredName: MailboxRecord] = [:]
    /// A write of it was taken back, so it is not known which of them stand.
    var hasUndone = false
    /// Two generations. What is used in the second comes into the first.
    var young: [StoredName: Known] = [:]
    var old: [StoredName: Known] = [:]
    /// Keys in the first.
    var youngCount = 0
    var turned: ContinuousClock.Instant?

    mutating func turn() {
      (old, young, youngCount) = (young, [:], 0)
    }
  }

  /// Keys at which a new generation begins.
  private let generationCount: Int
  private let state = Mutex(State())

  init(generationCount: Int = 8_192) { self.generationCount = generationCount }

  func version(of mailbox: StoredName) -> UInt64 { state.withLock { $0.versions[Self.group(of: mailbox)] } }

  /// Delivery keys that are remembered, in both generations.
  var count: Int { state.withLock { $0.youngCount + $0.old.values.reduce(0) { $0 + $1.keys.count } } }

  /// What was granted for this version.
  func grant(for target: DeliveryTarget, version: UInt64) -> DeliveryGrant? {
    let mailbox = target.mailbox.name
    return state.withLock { state in
      for (isYoung, known) in [(true, state.young[mailbox]), (false, state.old[mailbox])] {
        guard let known, known.grant.version == version, known.keys.contains(target.deliveryKey) else { continue }
        if !isYoung { put(known.grant, target, &state) }
        return known.grant
      }
      return nil
    }
  }

  /// Remembers what a record has said. One that has changed since is not.
  func note(_ grant: DeliveryGrant, for target: DeliveryTarget) {
    state.withLock { state in
      guard grant.version == state.versions[Self.group(of: target.mailbox.name)] else { return }
      put(grant, target, &state)
    }
  }

  private func put(_ grant: DeliveryGrant, _ target: DeliveryTarget, _ state: inout State) {
    if state.youngCount >= generationCount { state.turn() }
    let mailbox = target.mailbox.name
    var known = state.young[mailbox] ?? Known(grant: grant, keys: [])
    state.youngCount -= known.keys.count
    if known.grant != grant { known = Known(grant: grant, keys: []) }
    known.keys.insert(target.deliveryKey)
    state.youngCount += known.keys.count
    state.young[mailbox] = known
  }

  /// Forgets what is old; to be called every minute or so.
  func age(now: ContinuousClock.Instant = .now) {
    state.withLock { state in
      if let turned = state.turned {
        guard now - turned >= Self.generationTime else { return }
        state.turn()
      }
      state.turned = now
    }
  }

  // MARK: For the writer

  /// A record is written.
  func change(_ mailbox: StoredName, to record: MailboxRecord) {
    state.withLock { state in
      state.versions[Self.group(of: mailbox)] += 1
      state.changed[mailbox] = record
    }
  }

  /// One write of the transaction was taken back.
  func undo() { state.withLock { $0.hasUndone = true } }

  /// The transaction has ended in whatever way; to be called before the next one begins.
  func endTransaction(isCommitted: Bool) {
    state.withLock { state in
      for group in Set(state.changed.keys.map(Self.group)) { state.versions[group] += 1 }
      if isCommitted, !state.hasUndone {
        for (mailbox, record) in state.changed {
          let grant = DeliveryGrant(sealKey: record.sealKey, version: state.versions[Self.group(of: mailbox)])
          state.old[mailbox] = state.old[mailbox]?.renewed(grant, record)
          guard let known = state.young[mailbox] else { continue }
          state.young[mailbox] = known.renewed(grant, record)
          state.youngCount += (state.young[mailbox]?.keys.count ?? 0) - known.keys.count
        }
      }
      state.changed = [:]
      state.hasUndone = false
    }
  }

  private static func group(of mailbox: StoredName) -> Int { Int(mailbox.bytes[0]) << 8 | Int(mailbox.bytes[1]) }
}
