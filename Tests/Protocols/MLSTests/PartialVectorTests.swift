import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

/// The published vectors of draft-ietf-mls-partial: those of the draft's appendix, and the full set for all suites.
struct PartialVectorTests {
  private static func files(_ name: String) -> [String] {
    ["mls-partial/test-vector-partial-\(name)-spec.json", "mls-partial/test-vector-partial-\(name).json"]
  }

  // MARK: Syntax

  private struct SyntaxCase: SuiteCase {
    var cipher_suite: UInt16
    var copath_hash, membership_proof, sender_authenticated_welcome, sender_authenticated_group_info: HexBytes
    var sender_authenticated_public_message, sender_authenticated_private_message, annotated_welcome: HexBytes
    var annotated_commit: HexBytes
  }

  @Test(arguments: files("message-syntax"))
  func `every structure decodes to itself`(file: String) throws {
    func check<Value: WireCodable>(_ bytes: HexBytes, _: Value.Type) throws {
      #expect(try Value(decoding: bytes.bytes).encoded == bytes.bytes)
      for count in [0, 1, bytes.bytes.count / 2, bytes.bytes.count - 1] {
        #expect(throws: WireError.self) { try Value(decoding: Array(bytes.bytes.prefix(count))) }
      }
      #expect(throws: WireError.trailingBytes(count: 1)) { try Value(decoding: bytes.bytes + [0]) }
    }
    try runVectors(file, as: SyntaxCase.self) { item, _ in
      try check(item.copath_hash, CopathHash.self)
      try check(item.membership_proof, MembershipProof.self)
      try check(item.sender_authenticated_welcome, SenderAuthenticatedMessage<Welcome>.self)
      try check(item.sender_authenticated_group_info, SenderAuthenticatedMessage<GroupInfo>.self)
      try check(item.sender_authenticated_public_message, SenderAuthenticatedMessage<PublicMessage>.self)
      try check(item.sender_authenticated_private_message, SenderAuthenticatedMessage<PrivateMessage>.self)
      try check(item.annotated_welcome, AnnotatedWelcome.self)
      try check(item.annotated_commit, AnnotatedCommit.self)
    }
  }

  // MARK: Proofs

  private struct ProofCase: SuiteCase {
    var cipher_suite: UInt16
    var tree_hash: HexBytes
    var proofs: [HexBytes]
  }

  @Test(arguments: files("membership-proofs"))
  func `proofs lead to their tree's hash`(file: String) throws {
    try runVectors(file, as: ProofCase.self) { item, suite in
      var depths: Set<Int> = []
      for bytes in item.proofs {
        let proof = try MembershipProof(decoding: bytes.bytes)
        depths.insert(try TreeSlice(proof, of: item.tree_hash.bytes, suite: suite).depth)
        var wrong = item.tree_hash.bytes
        wrong[0] ^= 1
        #expect(throws: MLSError.invalidProof(.treeHash)) { try TreeSlice(proof, of: wrong, suite: suite) }
      }
      #expect(depths.count == 1)
    }
  }

  private struct AuthenticatedCase: SuiteCase {
    var cipher_suite: UInt16
    var message_type: String
    var sender_authenticated_message: HexBytes
  }

  /// The vectors hold neither the tree hash nor the group context, so the leaf's own signature is what can be verified.
  @Test(arguments: files("sender-authenticated-messages"))
  func `the proof beside a message is of its sender`(file: String) throws {
    try runVectors(file, as: AuthenticatedCase.self) { item, suite in
      let message = try SenderAuthenticatedMessage<PublicMessage>(decoding: item.sender_authenticated_message.bytes)
      let content = message.message.content
      #expect(content.contentType == (item.message_type == "PublicMessageCommit" ? .commit : .proposal))
      #expect(content.sender == .member(message.senderMembershipProof.leafIndex))
      guard case .leaf(let leaf)? = message.senderMembershipProof.directPathNodes.first else {
        Issue.record("no leaf")
        return
      }
      let requirements = try LeafRequirements(suite: suite, groupID: content.groupID, extensions: [])
      try requirements.check(
        leaf, at: message.senderMembershipProof.leafIndex, in: .tree, validator: AnyCredential())
    }
  }

  // MARK: Paths

  private struct PathKey: Decodable {
    var node: UInt32
    var path_secret, encryption_priv: HexBytes
  }

  private struct PathCase: SuiteCase {
    var cipher_suite: UInt16
    var update_path, tree_hash_after: HexBytes
    var resolution_index: UInt32
    var sender_membership_proof_after, receiver_membership_proof_after: HexBytes
    var receiver_path_state: [PathKey]
    var commit_secret: HexBytes
  }

  /// The published paths are encrypted under the bare tree hash instead of a group context, which the vectors do not
  /// have.
  @Test(arguments: files("tree-operations"))
  func `a path opens without the tree`(file: String) throws {
    try runVectors(file, as: PathCase.self) { item, suite in
      let path = try UpdatePath(decoding: item.update_path.bytes)
      let treeHash = item.tree_hash_after.bytes
      let sender = try TreeSlice(
        MembershipProof(decoding: item.sender_membership_proof_after.bytes), of: treeHash, suite: suite)
      let receiver = try TreeSlice(
        MembershipProof(decoding: item.receiver_membership_proof_after.bytes), of: treeHash, suite: suite)
      let keys = try privateKeys(item.receiver_path_state, leaf: receiver.leafIndex, suite)
      let (secret, level) = try receiver.openPath(
        path, from: sender, resolutionIndex: item.resolution_index, keys: keys, context: treeHash, suite: suite)
      let derived = try receiver.derivingKeys(from: secret, level: level, keys: keys, suite: suite)
      #expect(derived.commitSecret.exposedBytes == item.commit_secret.bytes)
    }
  }

  private func privateKeys(
    _ state: [PathKey], leaf: LeafIndex, _ suite: CipherSuite
  ) throws -> TreePrivateKeys {
    func pair(_ key: PathKey) throws -> HPKEKeyPair {
      try suite.hpke.keyPair(privateKey: Secret(key.encryption_priv.bytes))
    }
    let own = try #require(state.first { $0.node == NodeIndex(leaf).rawValue })
    var keys = TreePrivateKeys(leaf: leaf, leafKey: try pair(own))
    for key in state { keys.set(try pair(key), at: NodeIndex(rawValue: key.node)) }
    return keys
  }

  // MARK: Joining and following

  private struct WelcomeCase: SuiteCase {
    struct Key: Decodable { var psk_id, psk: HexBytes }
    var cipher_suite: UInt16
    var external_psks: [Key]
    var key_package, encryption_priv, init_priv, annotated_welcome: HexBytes
    var joiner_leaf_index: UInt32
    var epoch_authenticator: HexBytes
  }

  private func bundle(
    _ keyPackage: HexBytes, initKey: HexBytes, leafKey: HexBytes, _ suite: CipherSuite
  ) throws -> KeyPackageBundle {
    guard case .keyPackage(let keyPackage) = try MLSMessage(decoding: keyPackage.bytes) else {
      throw MLSError.unexpectedMessage
    }
    return try KeyPackageBundle(
      cipherSuite: suite, keyPackage: keyPackage, initKey: suite.hpke.keyPair(privateKey: Secret(initKey.bytes)),
      leafKey: suite.hpke.keyPair(privateKey: Secret(leafKey.bytes)))
  }

  @Test(arguments: files("annotated-welcome"))
  func `a newcomer joins without the tree`(file: String) throws {
    try runVectors(file, as: WelcomeCase.self) { item, suite in
      let bundle = try bundle(item.key_package, initKey: item.init_priv, leafKey: item.encryption_priv, suite)
      let psks = ExternalKeys(
        keys: Dictionary(item.external_psks.map { ($0.psk_id.bytes, Secret($0.psk.bytes)) }) { first, _ in first })
      let joined = try PartialGroup.join(
        welcome: item.annotated_welcome.bytes, keyPackage: bundle, psks: psks, validator: AnyCredential())
      #expect(joined.group.ownLeafIndex.rawValue == item.joiner_leaf_index)
      #expect(joined.group.epochAuthenticator == item.epoch_authenticator.bytes)
    }
  }

  private struct State: Decodable {
    var confirmed_transcript_hash: HexBytes
    var direct_path_secrets: [PathKey]
    var encryption_secret: HexBytes
    var epoch: UInt64
    var group_id, init_secret, interim_transcript_hash, membership_key: HexBytes
    var receiver_leaf_index: UInt32
    var sender_data_secret, tree_hash: HexBytes
  }

  private struct CommitCase: SuiteCase {
    var cipher_suite: UInt16
    var state_before, state_after: State
    var proposals: [HexBytes]
    var annotated_commit, tree_hash_after, commit_secret, epoch_authenticator_after: HexBytes
  }

  /// The vectors leave out the private key of the receiver's leaf, so the path secret is taken from the state after.
  @Test(arguments: files("annotated-commit"))
  func `a commit leads to the next epoch`(file: String) throws {
    try runVectors(file, as: CommitCase.self) { item, suite in
      #expect(item.proposals.isEmpty)
      let annotated = try AnnotatedCommit(decoding: item.annotated_commit.bytes)
      #expect(annotated.treeHashAfter == item.tree_hash_after.bytes)
      guard case .leaf(let ownLeaf)? = annotated.receiverMembershipProofAfter.directPathNodes.first else {
        Issue.record("no leaf")
        return
      }
      var group = group(item.state_before, ownLeaf, leafCount: annotated.receiverMembershipProofAfter.leafCount, suite)
      let (verified, before) = try group.open(annotated, validator: AnyCredential())
      let step = try group.step(annotated, verified, before: before, validator: AnyCredential())
      let receiver = try #require(step.receiver)
      #expect(receiver.leafIndex.rawValue == item.state_after.receiver_leaf_index)
      let key = try #require(item.state_after.direct_path_secrets.first)
      let derived = try receiver.derivingKeys(
        from: Secret(key.path_secret.bytes), level: NodeIndex(rawValue: key.node).level, keys: group.privateKeys,
        suite: suite)
      #expect(derived.commitSecret.exposedBytes == item.commit_secret.bytes)
      let (state, schedule) = try group.advance(
        step, receiver, verified, commitSecret: derived.commitSecret, pskSecret: .zeros(suite.hash.byteCount))
      let after = item.state_after
      #expect(schedule.secrets.epochAuthenticator.exposedBytes == item.epoch_authenticator_after.bytes)
      #expect(schedule.secrets.initSecret.exposedBytes == after.init_secret.bytes)
      #expect(schedule.secrets.membershipKey.exposedBytes == after.membership_key.bytes)
      #expect(schedule.secrets.senderDataSecret.exposedBytes == after.sender_data_secret.bytes)
      #expect(schedule.encryptionSecret.exposedBytes == after.encryption_secret.bytes)
      #expect(state.context.epoch == after.epoch)
      #expect(state.context.treeHash == after.tree_hash.bytes)
      #expect(state.context.confirmedTranscriptHash == after.confirmed_transcript_hash.bytes)
      #expect(state.interimTranscriptHash == after.interim_transcript_hash.bytes)
    }
  }

  private func group(
    _ state: State, _ ownLeaf: LeafNode, leafCount: UInt32, _ suite: CipherSuite
  ) -> PartialGroup {
    let unknown = Secret.zeros(suite.hash.byteCount)
    let context = GroupContext(
      cipherSuite: suite.rawValue, groupID: state.group_id.bytes, epoch: state.epoch, treeHash: state.tree_hash.bytes,
      confirmedTranscriptHash: state.confirmed_transcript_hash.bytes, extensions: [])
    let ownLeafIndex = LeafIndex(state.receiver_leaf_index)
    return PartialGroup(
      state: PartialState(
        suite: suite, context: context, leafCount: Int(leafCount), ownLeaf: ownLeaf, confirmationTag: [],
        interimTranscriptHash: state.interim_transcript_hash.bytes),
      ownLeafIndex: ownLeafIndex,
      privateKeys: TreePrivateKeys(
        leaf: ownLeafIndex, leafKey: HPKEKeyPair(privateKey: unknown, publicKey: ownLeaf.encryptionKey)),
      secrets: EpochSecrets(
        senderDataSecret: Secret(state.sender_data_secret.bytes), exporterSecret: unknown, externalSecret: unknown,
        confirmationKey: unknown, membershipKey: Secret(state.membership_key.bytes), resumptionPSK: unknown,
        epochAuthenticator: unknown, initSecret: Secret(state.init_secret.bytes)),
      secretTree: SecretTree(encryptionSecret: Secret(state.encryption_secret.bytes), leafCount: Int(leafCount)),
      exporterTree: .empty, pending: [], pastEpochs: [], resumptionSecrets: [], reInit: nil, proven: [:], upgradeLog: nil)
  }

  private struct PassiveCase: SuiteCase {
    struct Epoch: Decodable {
      var proposals: [HexBytes]
      var annotated_commit: HexBytes
      var application_messages: [HexBytes]
      var epoch_authenticator: HexBytes
    }
    var cipher_suite: UInt16
    var external_psks: [WelcomeCase.Key]
    var key_package, encryption_priv, init_priv, annotated_welcome, initial_epoch_authenticator: HexBytes
    var epochs: [Epoch]
  }

  @Test(arguments: files("passive-client-scenarios"))
  func `a partial member follows a group of another implementation`(file: String) throws {
    try runVectors(file, as: PassiveCase.self) { item, suite in
      let bundle = try bundle(item.key_package, initKey: item.init_priv, leafKey: item.encryption_priv, suite)
      let psks = ExternalKeys(
        keys: Dictionary(item.external_psks.map { ($0.psk_id.bytes, Secret($0.psk.bytes)) }) { first, _ in first })
      var group = try PartialGroup.join(
        welcome: item.annotated_welcome.bytes, keyPackage: bundle, psks: psks, validator: AnyCredential()
      ).group
      #expect(group.epochAuthenticator == item.initial_epoch_authenticator.bytes)
      for epoch in item.epochs {
        #expect(epoch.proposals.isEmpty)
        let commit = try group.process(
          annotatedCommit: epoch.annotated_commit.bytes, allowsExternal: true, psks: psks, validator: AnyCredential())
        group = try #require(commit.group)
        #expect(group.epochAuthenticator == epoch.epoch_authenticator.bytes)
        for message in epoch.application_messages {
          guard
            case .application(let received, let next) = try group.process(
              senderAuthenticated: message.bytes, validator: AnyCredential())
          else {
            Issue.record("no application data")
            return
          }
          #expect(received.epoch == group.epoch)
          group = next
        }
        group = try PartialGroup(restoring: group.archive())
      }
    }
  }
}
