#if os(Linux)
  import Testing
  import WireFormat

  @testable import CryptoSuite
  @testable import MLS

  /// Secrets are gone from the memory of the process once they were used (RFC 9420 §9.2, §16.6).
  ///
  /// In a process of its own, for other tests that run beside would keep secrets of theirs on the same stacks.
  struct SpentSecretsTests {
    @Test func `spent secrets are nowhere in memory: X25519`() async {
      await #expect(processExitsWith: .success) { try SpentSecretsTests.check(.mls128X25519AES128SHA256Ed25519) }
    }

    @Test func `spent secrets are nowhere in memory: X-Wing`() async {
      await #expect(processExitsWith: .success) { try SpentSecretsTests.check(.sottoXWing) }
    }

    @Test func `spent secrets are nowhere in memory: P-256`() async {
      await #expect(processExitsWith: .success) { try SpentSecretsTests.check(.mls128P256AES128SHA256P256) }
    }

    @Test func `spent secrets are nowhere in memory: ChaCha20`() async {
      await #expect(processExitsWith: .success) { try SpentSecretsTests.check(.mls128X25519ChaCha20SHA256Ed25519) }
    }

    /// Lives up to eight lives, of which one must leave nothing.
    ///
    /// A register that is saved at the wrong moment, or a block that the allocator gives to somebody else first, can keep a
    /// piece of a secret in one life and not in the next; what the code leaves behind is there in every one.
    private static func check(_ suite: CipherSuite) throws {
      var remains: [String] = []
      for _ in 0..<8 {
        let life = try remainsOfALife(suite)
        if life.isEmpty { return }
        remains.append(life)
      }
      Issue.record("each of eight lives left something:\n\(remains.joined(separator: "\n"))")
    }

    /// - Returns: what was found, line by line; empty if nothing was.
    private static func remainsOfALife(_ suite: CipherSuite) throws -> String {
      var life = try SecretsOfALife(suite)
      try life.run()
      // The processor's vector registers still hold a key, and whoever saves them would copy it.
      _ = try suite.aead.seal(
        [UInt8](repeating: 0, count: 4096), key: .zeros(suite.aead.keyByteCount), nonce: .zeros(suite.aead.nonceByteCount), aad: [])
      var live = SecretRecord()
      try onAnotherStack {
        for member in life.members { live.note(member.group, member.client) }
      }
      let spent = life.notes.record.subtracting(live)
      #expect(!live.isEmpty && !spent.isEmpty)
      let (forgotten, copy) = forget()

      let found = withExtendedLifetime(copy) {
        spent.adding(live, as: "in use").adding(forgotten, as: "copied").scan()
      }
      // The scan can find something: what is in use, and a copy that was forgotten.
      let names = Set(found.map(\.name))
      for name in [
        "in use: init secret", "in use: exporter secret", "in use: application ratchet", "in use: leaf or node key",
        "in use: signature key", "copied: forgotten",
      ] { #expect(names.contains(name), "\(name) was not found") }
      let whileInUse = found.filter { !$0.name.contains(":") }

      life.members = []
      life.signers = []
      let afterwards = life.notes.record.scan()
      return list(whileInUse, "while the group is in use") + list(afterwards, "after the group is gone")
    }

    private static func forget() -> (SecretRecord, [UInt8]) {
      let secret = Secret(randomByteCount: 32)
      var record = SecretRecord()
      record.note("forgotten", secret)
      return (record, secret.exposedBytes)
    }

    private static func list(_ findings: [Finding], _ moment: String) -> String {
      findings.map { "  \(moment): \($0)\n" }.joined()
    }
  }

  /// A group's life, of which every secret is noted.
  private struct SecretsOfALife {
    struct Keys: PSKProvider {
      var secret: Secret
      func secret(for id: PreSharedKeyID) -> Secret? { secret }
    }

    let suite: CipherSuite
    let notes = Notes()
    var members: [Participant]
    var signers: [SigningKey] = []

    init(_ suite: CipherSuite) throws {
      self.suite = suite
      let creator = Client("0", suite)
      let group = try Group.create(
        groupID: [1, 2, 3], cipherSuite: suite, leaf: creator.parameters, signer: creator.signer,
        validator: BasicIdentities())
      members = [Participant(client: creator, group: group)]
      try notes.take { record in record.note(group, creator) }
    }

    mutating func run() throws {
      try add(["1", "2", "3", "4"], by: 0)
      try talk()
      try commit(CommitPlan(encrypt: false), by: 1)
      try talk()
      let psks = Keys(secret: Secret(randomByteCount: 32))
      try notes.take { record in record.note("pre-shared key", psks.secret) }
      let id = PreSharedKeyID.external(id: [7], cipherSuite: suite)
      try commit(CommitPlan(psks: [id], encrypt: false), by: 2, psks: psks)
      try proposeUpdate(by: 3)
      try commit(CommitPlan(encrypt: false), by: 0)
      try talk()
      try joinExternally("5")
      let newSigner = suite.signature.generateKey()
      try commit(CommitPlan(newSigner: newSigner, encrypt: false), by: 1)
      members[1].client.signer = newSigner
      try commit(CommitPlan(removes: [LeafIndex(2)], encrypt: false), by: 0)
      try talk()
      try add(["6"], by: 1)
      // So that no past epoch keeps anything of those before.
      for step in 0...Limits.pastEpochs { try commit(CommitPlan(encrypt: false), by: step % members.count) }
      for _ in 0..<Limits.resumptionEpochs { try commit(CommitPlan(forcePath: false), by: 0) }
      try talk()
    }

    /// Everybody sends, and some of it arrives late.
    private mutating func talk() throws {
      for sender in [0, members.count - 1] {
        var messages: [[UInt8]] = []
        for _ in 0..<8 {
          try notes.take { record in record.note(members[sender].group, members[sender].client) }
          try notes.take { record in try record.noteNextKey(of: members[sender].group) }
          messages.append(try members[sender].send([1, 2, 3], padding: 100))
        }
        for message in messages {
          try notes.take { record in try record.noteSenderDataKey(of: message, in: members[sender].group) }
        }
        for receiver in members.indices where receiver != sender {
          for index in [2, 0, 1, 3] {
            _ = try members[receiver].read(messages[index])
            try notes.take { record in record.note(members[receiver].group, members[receiver].client) }
          }
          try restart(receiver)
        }
        try restart(sender)
      }
    }

    private mutating func restart(_ member: Int) throws {
      var archive = members[member].group.archive()
      defer { archive.wipe() }
      members[member].group = try Group(restoring: archive)
    }

    private mutating func add(_ names: [String], by committer: Int) throws {
      let clients = names.map { Client($0, suite) }
      let bundles = try clients.map { try $0.bundle() }
      let commit = try commit(CommitPlan(adds: bundles.map(\.keyPackage), encrypt: false), by: committer)
      for (client, bundle) in zip(clients, bundles) {
        try notes.take { record in record.note("init key", bundle.initKey.privateKey) }
        try notes.take { record in record.note("leaf or node key", bundle.leafKey.privateKey) }
        let welcome = try #require(commit.welcome)
        try notes.take { record in try record.note(welcome, for: bundle, group: commit.group) }
        let group = try Group.join(welcome: welcome, keyPackage: bundle, validator: BasicIdentities()).group
        try notes.take { record in record.note(group, client) }
        members.append(Participant(client: client, group: group))
      }
    }

    @discardableResult
    private mutating func commit(
      _ plan: CommitPlan, by committer: Int, psks: any PSKProvider = NoPreSharedKeys()
    ) throws -> OutgoingCommit {
      let commit = try members[committer].group.commit(
        plan, signer: members[committer].client.signer, psks: psks, validator: BasicIdentities())
      members[committer].group = commit.group
      try notes.take { record in record.note(commit.group, members[committer].client) }
      try follow(commit, encrypted: plan.encrypt, psks: psks) { $0 != committer }
      return commit
    }

    private mutating func follow(
      _ commit: OutgoingCommit, encrypted: Bool, psks: any PSKProvider, _ isReceiver: (Int) -> Bool
    ) throws {
      let removed = Set(commit.changes.removed.map(\.leafIndex))
      for index in members.indices where isReceiver(index) {
        let before = members[index].group
        if !removed.contains(before.ownLeafIndex), !encrypted {
          try notes.take { record in try record.note(commit, for: before, psks: psks) }
        }
        guard case .commit(let received) = try members[index].receive(commit.message, psks: psks) else {
          throw MLSError.unexpectedMessage
        }
        if let group = received.group { members[index].group = group }
        try notes.take { record in record.note(members[index].group, members[index].client) }
      }
      members.removeAll { removed.contains($0.group.ownLeafIndex) }
    }

    private mutating func proposeUpdate(by proposer: Int) throws {
      let sent = try members[proposer].group.proposeUpdate(signer: members[proposer].client.signer)
      members[proposer].group = sent.group
      for index in members.indices where index != proposer { try members[index].note(sent.message) }
      try notes.take { record in record.note("leaf or node key", sent.group.pending.first?.leafKey?.privateKey) }
    }

    private mutating func joinExternally(_ name: String) throws {
      let client = Client(name, suite)
      let info = try members[0].group.groupInfo(signer: members[0].client.signer)
      let commit = try Group.joinExternally(
        groupInfo: info, leaf: client.parameters, signer: client.signer, validator: BasicIdentities())
      try follow(commit, encrypted: false, psks: NoPreSharedKeys()) { _ in true }
      members.append(Participant(client: client, group: commit.group))
      try notes.take { record in record.note(commit.group, client) }
    }
  }

  /// What was learnt so far.
  private final class Notes {
    var record = SecretRecord()

    func take(_ body: (inout SecretRecord) throws -> Void) throws {
      try onAnotherStack { try body(&record) }
    }
  }

  // MARK: - What to note

  extension SecretRecord {
    /// Everything that a member holds.
    fileprivate mutating func note(_ group: Group, _ client: Client) {
      note("signature key", client.signer.privateBytes)
      note(group.secrets, group.suite)
      for pair in group.privateKeys.pairs.values { note("leaf or node key", pair.privateKey) }
      note(group.secretTree.root)
      note(group.exporterTree.root)
      for past in group.pastEpochs {
        note("sender data secret", past.senderDataSecret)
        note(past.secretTree.root)
      }
      for resumption in group.resumptionSecrets { note("resumption secret", resumption.secret) }
      for item in group.pending { note("leaf or node key", item.leafKey?.privateKey) }
    }

    private mutating func note(_ secrets: EpochSecrets, _ suite: CipherSuite) {
      note("sender data secret", secrets.senderDataSecret)
      note("exporter secret", secrets.exporterSecret)
      note("external secret", secrets.externalSecret)
      note("confirmation key", secrets.confirmationKey)
      note("membership key", secrets.membershipKey)
      note("resumption secret", secrets.resumptionPSK)
      note("init secret", secrets.initSecret)
    }

    private mutating func note(_ branch: SecretTree.Branch) {
      switch branch {
      case .sealed(let secret): note("secret tree node", secret)
      case .parent(let left, let right):
        note(left)
        note(right)
      case .member(let ratchets):
        note("handshake ratchet", ratchets.handshake.secret)
        note("application ratchet", ratchets.application.secret)
        for skipped in ratchets.handshake.skipped + ratchets.application.skipped { note(skipped.key) }
      }
    }

    private mutating func note(_ branch: ExporterTree.Branch) {
      switch branch {
      case .sealed(let secret): note("exporter tree node", secret)
      case .parent(let left, let right):
        note(left)
        note(right)
      case .spent: break
      }
    }

    private mutating func note(_ key: MessageKey) {
      note("message key", key.key)
      note("message nonce", key.nonce)
    }

    /// The key with which a member will encrypt its next message.
    fileprivate mutating func noteNextKey(of group: Group) throws {
      var tree = group.secretTree
      note(try tree.advance(group.ownLeafIndex, .application, group.suite).key)
    }

    fileprivate mutating func noteSenderDataKey(of message: [UInt8], in group: Group) throws {
      guard case .privateMessage(let message) = try MLSMessage.decode(message) else { return }
      let (key, nonce) = message.senderDataKey(group.secrets.senderDataSecret, group.suite)
      note("sender data key", key)
      note("sender data nonce", nonce)
    }

    /// What a newcomer learns on its way into the group.
    fileprivate mutating func note(_ message: [UInt8], for bundle: KeyPackageBundle, group: Group) throws {
      guard case .welcome(let welcome) = try MLSMessage.decode(message) else { return }
      let secrets = try welcome.groupSecrets(for: bundle)
      note("joiner secret", secrets.joinerSecret)
      for secret in welcome.secrets {
        note(
          secret.encryptedGroupSecrets, keys: [bundle.initKey], label: "Welcome", context: welcome.encryptedGroupInfo,
          group.suite)
      }
      if let path = secrets.pathSecret { try note(path: path, group.suite) }
      note(joiner: secrets.joinerSecret, psk: .zeros(group.suite.hash.byteCount), group)
    }

    /// What a member learns on its way through a commit, by the same steps.
    fileprivate mutating func note(
      _ commit: OutgoingCommit, for group: Group, psks: any PSKProvider
    ) throws {
      guard case .publicMessage(let message) = try MLSMessage.decode(commit.message),
        case .commit(let content) = message.content.body
      else { throw MLSError.unexpectedMessage }
      let suite = group.suite
      let sender = message.content.sender
      let list = try ProposalList(
        try group.resolve(content.proposals, committer: sender), committer: sender, in: group.state)
      var next = try ProvisionalState(applying: list, to: group.state, validator: BasicIdentities())
      let from = try next.takeCommitter(sender, content.path?.leafNode, validator: BasicIdentities())
      var commitSecret = Secret.zeros(suite.hash.byteCount)
      if let path = content.path, !list.updates.contains(where: { $0.leaf == group.ownLeafIndex }) {
        try next.tree.mergePath(path, from: from)
        let context = try next.provisionalContext().encoded
        let opened = try next.tree.decryptPath(
          path, from: from, as: group.ownLeafIndex, privateKeys: group.privateKeys, context: context,
          excluding: Set(next.addedLeaves))
        commitSecret = opened.commitSecret
        note("commit secret", commitSecret)
        let keys = Array(group.privateKeys.pairs.values)
        for node in path.nodes {
          for ciphertext in node.encryptedPathSecrets {
            note(ciphertext, keys: keys, label: "UpdatePathNode", context: context, suite)
            for pair in keys {
              let secret = try? suite.decryptSecretWithLabel(
                keyPair: pair, label: "UpdatePathNode", context: context, ciphertext: ciphertext)
              if let secret { try note(path: secret, suite) }
            }
          }
        }
      } else if content.path != nil {
        return
      }
      var initSecret = group.secrets.initSecret
      if let kemOutput = list.externalInit {
        initSecret = try group.secrets.externalInitSecret(kemOutput, suite)
        note("external init secret", initSecret)
        note("external private key", try group.secrets.externalKeyPair(suite).privateKey)
      }
      let psk = try group.preSharedKeySecret(list.preSharedKeys, psks)
      note("PSK secret", psk)
      let extracted = suite.kdf.extract(salt: initSecret, ikm: commitSecret)
      note("joiner's extract", extracted)
      let joiner = suite.expandWithLabel(
        extracted, label: "joiner", context: commit.group.state.contextBytes, count: suite.hash.byteCount)
      note("joiner secret", joiner)
      note(joiner: joiner, psk: psk, commit.group)
    }

    private mutating func note(joiner: Secret, psk: Secret, _ group: Group) {
      let suite = group.suite
      let member = suite.kdf.extract(salt: joiner, ikm: psk)
      note("member secret", member)
      let epoch = suite.expandWithLabel(
        member, label: "epoch", context: group.state.contextBytes, count: suite.hash.byteCount)
      note("epoch secret", epoch)
      #expect(suite.deriveSecret(epoch, label: "init") == group.secrets.initSecret)
      note("application export secret", suite.deriveSecret(epoch, label: "application_export"))
      note("encryption secret", suite.deriveSecret(epoch, label: "encryption"))
      let welcome = suite.deriveSecret(member, label: "welcome")
      note("welcome secret", welcome)
      let key = WelcomeKey(welcomeSecret: welcome, suite: suite)
      note("welcome key", key.key)
      note("welcome nonce", key.nonce)
    }

    private mutating func note(path: Secret, _ suite: CipherSuite) throws {
      var path = PathSecret(secret: path, suite: suite)
      for _ in 0..<8 {
        note("path secret", path.secret)
        note("node secret", suite.deriveSecret(path.secret, label: "node"))
        note("leaf or node key", try path.keyPair().privateKey)
        path = path.next
      }
    }

    /// The secrets of one HPKE encryption, for whichever of these keys it was.
    private mutating func note(
      _ ciphertext: HPKECiphertext, keys: [HPKEKeyPair], label: String, context: [UInt8], _ suite: CipherSuite
    ) {
      let info = suite.prepareEncryption(label: label, context: context)
      for pair in keys {
        guard let shared = try? suite.hpke.kem.decapsulate(ciphertext.kemOutput, with: pair) else { continue }
        note("HPKE shared secret", shared)
        let schedule = HPKEKeySchedule(sharedSecret: shared, info: info)
        note("HPKE key", schedule.key)
        note("HPKE nonce", schedule.baseNonce)
        note("HPKE exporter secret", schedule.exporterSecret)
      }
    }
  }
#endif
