/// How many members support or use what, so that a commit is checked against all members without visiting them
/// (RFC 9420 §7.3 on credentials, §11.1 on capabilities, §12.2 on proposals; draft-ietf-mls-extensions on components).
struct MemberTally: Sendable {
  private(set) var memberCount = 0
  private var credentialsInUse: [CredentialType: Int] = [:]
  private var credentials: [CredentialType: Int] = [:]
  private var extensions: [ExtensionType: Int] = [:]
  private var proposals: [ProposalType: Int] = [:]
  private var components: [ComponentID: Int] = [:]
  private var framingComponents: [ComponentID: Int] = [:]

  mutating func add(_ leaf: LeafNode) { count(leaf, by: 1) }
  mutating func remove(_ leaf: LeafNode) { count(leaf, by: -1) }

  private mutating func count(_ leaf: LeafNode, by step: Int) {
    memberCount += step
    MemberTally.count([leaf.credential.type], by: step, in: &credentialsInUse)
    MemberTally.count(leaf.capabilities.credentials, by: step, in: &credentials)
    MemberTally.count(leaf.capabilities.extensions, by: step, in: &extensions)
    MemberTally.count(leaf.capabilities.proposals, by: step, in: &proposals)
    // A member whose lists are not well-formed, as no leaf may come today, supports none.
    guard let lists = try? leaf.extensions.componentLists() else { return }
    MemberTally.count(lists.known, by: step, in: &components)
    MemberTally.count(lists.framing, by: step, in: &framingComponents)
  }

  /// Counts each type once, however often a leaf lists it.
  private static func count<Code: CodePoint>(_ codes: [Code], by step: Int, in counts: inout [Code: Int]) {
    for code in codes.distinct {
      let count = counts[code, default: 0] + step
      counts[code] = count == 0 ? nil : count
    }
  }

  func allSupport(_ type: CredentialType) -> Bool { credentials[type, default: 0] == memberCount }
  func allSupport(_ type: ExtensionType) -> Bool { type.isDefault || extensions[type, default: 0] == memberCount }
  func allSupport(_ type: ProposalType) -> Bool { type.isDefault || proposals[type, default: 0] == memberCount }

  func allSupport(_ required: RequiredCapabilities) -> Bool {
    required.extensionTypes.allSatisfy { allSupport($0) }
      && required.proposalTypes.allSatisfy { allSupport($0) }
      && required.credentialTypes.allSatisfy { allSupport($0) }
  }

  /// Whether every member lists every one of these components.
  func allSupport(_ required: ComponentLists) -> Bool {
    required.known.allSatisfy { components[$0, default: 0] == memberCount }
      && required.framing.allSatisfy { framingComponents[$0, default: 0] == memberCount }
  }

  /// Whether every member supports every type of credential that a member has. Oneself supports no reserved one, whatever
  /// one's own leaf lists (RFC 9420 §13.5).
  var allUnderstandEachOther: Bool { credentialsInUse.keys.allSatisfy { !$0.isReserved && allSupport($0) } }
}
