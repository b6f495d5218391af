import MLS
import SottoProtocol
import WireFormat

/// Who may change what (docs/protocol.md §10): the same answer at every member, from the conversation's state and the commit alone.
struct Policy {
  let context: ConversationContext
  let roster: [RosterDevice]

  init(_ conversation: Conversation) {
    context = conversation.context
    roster = conversation.roster
  }

  /// Whether a commit that MLS found valid takes effect.
  func permits(_ commit: ReceivedCommit) -> Bool {
    permits(commit.changes, by: commit.sender, after: commit.group)
  }

  /// - Parameter group: the state after it; nil when it removes this very device.
  func permits(_ changes: CommitChanges, by sender: Sender, after group: Group?) -> Bool {
    guard changes.custom.isEmpty, changes.reInit == nil, changes.proposers.isEmpty else { return false }
    // A key that only some hold would part those who have it from those who came later.
    guard changes.preSharedKeys.isEmpty else { return false }
    if let group, group.memberCount > SottoProtocol.Limits.conversationDeviceCount { return false }
    guard (changes.added.map(\.leafNode) + changes.updated.map(\.new)).allSatisfy(Self.fits) else { return false }
    let newDevices = changes.added.compactMap(RosterDevice.init)
    guard newDevices.count == changes.added.count, Set(newDevices.map(\.device)).count == newDevices.count else { return false }
    switch sender {
    case .member(let leaf):
      guard let committer = roster.first(where: { $0.leaf == leaf }) else { return false }
      return permits(changes, by: committer, adding: newDevices)
    case .newMemberCommit: return permitsReturn(changes, of: newDevices)
    case .external, .newMemberProposal: return false
    }
  }

  private func permits(_ changes: CommitChanges, by committer: RosterDevice, adding newDevices: [RosterDevice]) -> Bool {
    let role = context.role(of: committer.identity)
    func isAllowed(_ proposal: UInt16) -> Bool { context.leastRole(forProposal: proposal).map { role >= $0 } ?? false }

    guard changes.added.isEmpty || changes.removed.isEmpty else { return false }
    if !changes.added.isEmpty {
      guard isAllowed(1) else { return false }
      let people = Set(roster.map(\.identity))
      if context.kind == .direct, !newDevices.allSatisfy({ people.contains($0.identity) }) { return false }
      let present = Set(roster.map(\.device))
      guard newDevices.allSatisfy({ !present.contains($0.device) }) else { return false }
    }
    if !changes.removed.isEmpty {
      guard isAllowed(3) else { return false }
      for member in changes.removed {
        guard let device = roster.first(where: { $0.leaf == member.leafIndex }) else { return false }
        if context.kind == .direct, device.identity != committer.identity { return false }
        guard context.role(of: device.identity) <= role else { return false }
      }
    }
    for update in changes.updated {
      guard let old = roster.first(where: { $0.leaf == update.leafIndex }), update.leafIndex == committer.leaf,
        let new = RosterDevice(Member(leafIndex: update.leafIndex, leafNode: update.new)), new.identity == old.identity,
        new.device == old.device
      else { return false }
    }
    if let extensions = changes.newExtensions {
      guard isAllowed(7), extensions.contains(SottoLeaf.required), extensions.count == 2,
        let data = extensions.data(of: SottoLeaf.contextType), let new = try? ConversationContext(decoding: data), new.kind == context.kind,
        new.handle == context.handle, new.server == context.server, new.rules == context.rules
      else { return false }
      // Somebody must be left who may do all this again.
      let people = Set(roster.filter { device in !changes.removed.contains { $0.leafIndex == device.leaf } }.map(\.identity))
      guard new.roles.contains(where: { $0.role == .owner && people.contains($0.identity) }) else { return false }
    }
    return true
  }

  /// Whether a state that others have gone on to, which this device did not follow step by step, can have come of the one it knows: signed by somebody it
  /// knows, with nobody gone, and with newcomers or new roles only if that somebody could have brought them.
  func recognises(_ group: Group, _ newRoster: [RosterDevice], signer: LeafIndex) -> Bool {
    guard newRoster.count == group.memberCount, group.memberCount <= SottoProtocol.Limits.conversationDeviceCount,
      group.members.allSatisfy({ Self.fits($0.leafNode) }), group.extensions.count == 2, group.extensions.contains(SottoLeaf.required),
      let data = group.extensions.data(of: SottoLeaf.contextType), let new = try? ConversationContext(decoding: data),
      new.kind == context.kind,
      new.handle == context.handle, new.server == context.server, new.rules == context.rules,
      let signature = newRoster.first(where: { $0.leaf == signer }), let known = roster.first(where: { $0.device == signature.device }),
      known.identity == signature.identity
    else { return false }
    let role = context.role(of: known.identity)
    if new.roles != context.roles, role != .owner { return false }
    let (before, after) = (Set(roster.map(\.device)), Set(newRoster.map(\.device)))
    guard before.isSubset(of: after) else { return false }
    if before == after { return true }
    return context.kind == .group && context.leastRole(forProposal: 1).map { role >= $0 } ?? false
  }

  /// Whether a Welcome leads back into this conversation, from somebody in it who may add.
  func recognises(return newContext: ConversationContext, by sender: RosterDevice) -> Bool {
    guard continues(newContext), let known = roster.first(where: { $0.device == sender.device }), known.identity == sender.identity else {
      return false
    }
    return context.leastRole(forProposal: 1).map { context.role(of: known.identity) >= $0 } ?? false
  }

  /// Whether a context is of this very group, and not of another that took its name.
  func continues(_ newContext: ConversationContext) -> Bool {
    context.kind == .group && newContext.kind == .group && newContext.handle == context.handle && newContext.server == context.server
      && newContext.rules == context.rules
  }

  /// Whether a leaf is small enough that a tree of such leaves fits a frame: one member's leaf must not keep all others from committing.
  /// And whether the key package that it came by is good for no longer than any needs to be (RFC 9420 §7.2): no clock is asked, for all
  /// members must judge alike.
  static func fits(_ leaf: LeafNode) -> Bool {
    guard leaf.encoded.count <= SottoProtocol.Limits.leafByteCount else { return false }
    guard case .keyPackage(let lifetime) = leaf.source else { return true }
    return lifetime.notBefore <= lifetime.notAfter && lifetime.notAfter - lifetime.notBefore <= SottoProtocol.Limits.keyPackageSeconds
  }

  /// A device that lost its place comes back into its own leaf, and brings nothing else.
  private func permitsReturn(_ changes: CommitChanges, of newDevices: [RosterDevice]) -> Bool {
    guard newDevices.count == 1, let device = newDevices.first, changes.removed.count == 1, let old = changes.removed.first,
      changes.updated.isEmpty, changes.newExtensions == nil,
      let before = roster.first(where: { $0.leaf == old.leafIndex })
    else { return false }
    return before.device == device.device && before.identity == device.identity
  }
}
