public import CryptoSuite
import WireFormat

extension Group {
  /// A new group with its creator as the only member, in epoch 0 (RFC 9420 §11).
  ///
  /// - Parameters:
  ///   - groupID: random, at least 16 bytes, and never used before.
  ///   - extensions: of the group context.
  ///   - lifetime: of the creator's first leaf.
  ///   - random: of the leaf's key and the epoch's secret.
  /// - Throws: `.invalidLeafNode` with the rule of RFC 9420 §7.3 that the creator's own leaf breaks, what `extensions` require
  ///   among them; `.invalidExtensions` and `.malformed` for extensions of the group or the leaf that are not in order;
  ///   `.invalidExternalSender`; `.invalidPlan` for a leaf beyond ``Limits``; `.crypto(.unsupported)` for a signer of
  ///   another scheme than the suite's.
  public static func create(
    groupID: [UInt8], cipherSuite: CipherSuite, extensions: [Extension] = [], leaf: LeafParameters,
    lifetime: Lifetime = Lifetime(notBefore: 0, notAfter: UInt64.max), signer: SigningKey,
    validator: any CredentialValidator, random: any RandomSource = SystemRandom()
  ) throws(MLSError) -> Group {
    defer { eraseStack() }
    let requirements = try LeafRequirements(suite: cipherSuite, groupID: groupID, extensions: extensions)
    try extensions.checkExternalSenders(validator)
    try leaf.checkCapabilities(for: cipherSuite)
    let leafKey = cipherSuite.hpke.generateKeyPair(using: random)
    let leafNode = try LeafNode(
      encryptionKey: leafKey.publicKey, parameters: leaf, source: .keyPackage(lifetime), groupID: groupID,
      leafIndex: LeafIndex(0), signer: signer, suite: cipherSuite)
    try requirements.check(leafNode, at: LeafIndex(0), in: .keyPackage, validator: validator)

    var tree = try RatchetTree(suite: cipherSuite, firstLeaf: leafNode)
    let ownLeaf = LeafIndex(0)
    var tally = MemberTally()
    tally.add(leafNode)
    let context = GroupContext(
      cipherSuite: cipherSuite.rawValue, groupID: groupID, epoch: 0, treeHash: tree.treeHash(),
      confirmedTranscriptHash: [], extensions: extensions)
    let schedule = KeySchedule(
      epochSecret: Secret(randomByteCount: cipherSuite.hash.byteCount, using: random), suite: cipherSuite)
    let state = PublicState(
      suite: cipherSuite, context: context, tree: tree, tally: tally,
      confirmationTag: schedule.secrets.confirmationTag([], cipherSuite))
    return Group(
      state: state, ownLeafIndex: ownLeaf, privateKeys: TreePrivateKeys(leaf: ownLeaf, leafKey: leafKey),
      schedule: schedule)
  }
}
