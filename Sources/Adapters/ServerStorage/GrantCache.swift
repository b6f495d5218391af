import MailboxEngine
import Synchronization

/// What delivery keys grant, of mailboxes that were written to lately: in memory, so that sending there again opens no record.
///
/// A grant holds as long as its mailbox's version does (`RecordVersions`). What is not granted is not remembered: nobody without a
/// delivery key makes this grow.
final class GrantCache: Sendable {
  /// Grants at which a new generation begins. The one before stays until then, so this is half of what is remembered: some 4 MiB.
  private let generationCount: Int

  private struct Key: Hashable {
    let mailbox: StoredName
    let deliveryKey: StoredName

    init(_ target: DeliveryTarget) { (mailbox, deliveryKey) = (target.mailbox.name, target.deliveryKey) }
  }

  private struct State {
    var young: [Key: DeliveryGrant] = [:]
    var old: [Key: DeliveryGrant] = [:]
  }

  private let state = Mutex(State())

  init(generationCount: Int = 8_192) { self.generationCount = generationCount }

  /// Grants that are remembered, good or not.
  var count: Int { state.withLock { $0.young.count + $0.old.count } }

  /// What was granted, if nothing about the mailbox can have changed since.
  func grant(for target: DeliveryTarget, version: UInt64) -> DeliveryGrant? {
    let key = Key(target)
    return state.withLock { state in
      if let grant = state.young[key] { return grant.version == version ? grant : nil }
      guard let grant = state.old[key], grant.version == version else { return nil }
      put(grant, key, &state)
      return grant
    }
  }

  func note(_ grant: DeliveryGrant, for target: DeliveryTarget) {
    state.withLock { put(grant, Key(target), &$0) }
  }

  private func put(_ grant: DeliveryGrant, _ key: Key, _ state: inout State) {
    if state.young.count >= generationCount {
      state.old = state.young
      state.young = [:]
    }
    state.young[key] = grant
  }
}
