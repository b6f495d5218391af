#if os(Linux)
  import Testing
  import WireFormat

  @testable import CryptoSuite
  @testable import MLS

  // MARK: - What to note

  extension SecretRecord {
    /// Everything that a member holds.
    mutating func note(_ group: some GroupMember, _ client: Client) {
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
    mutating func noteNextKey(of group: some GroupMember, _ type: ContentType = .application) throws {
      var tree = group.secretTree
      note(try tree.advance(group.ownLeafIndex, type, group.suite).key)
      note(tree.root)
    }

    /// What the exporter derives, and all that the safe one derives on the way to a component.
    mutating func noteExports(of group: Group, label: String, _ component: ComponentID) {
      let suite = group.suite
      note("exporter's derived secret", suite.deriveSecret(group.secrets.exporterSecret, label: label))
      guard case .sealed(var secret) = group.exporterTree.root else { return }
      for bit in (0..<UInt16.bitWidth).reversed() {
        let (left, right) = (suite.leftSecret(below: secret), suite.rightSecret(below: secret))
        note("exporter tree node", left)
        note("exporter tree node", right)
        secret = component.rawValue >> UInt16(bit) & 1 == 1 ? right : left
      }
    }

    mutating func noteSenderDataKey(of message: [UInt8], in group: some GroupMember) throws {
      guard case .privateMessage(let message) = try MLSMessage.decode(message) else { return }
      let (key, nonce) = message.senderDataKey(group.secrets.senderDataSecret, group.suite)
      note("sender data key", key)
      note("sender data nonce", nonce)
    }

    /// What a newcomer has, and learns on its way into the group.
    mutating func note(_ bundle: KeyPackageBundle, _ message: [UInt8], group: Group) throws {
      note("init key", bundle.initKey.privateKey)
      note("leaf or node key", bundle.leafKey.privateKey)
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

    /// Opens a message of a member's epoch, and notes the keys that open it.
    private mutating func content(of message: [UInt8], in group: Group) throws -> FramedContent {
      switch try MLSMessage.decode(message) {
      case .publicMessage(let message): return message.content
      case .privateMessage(let message):
        var tree = group.secretTree
        let senderData = try message.senderData(group.secrets.senderDataSecret, group.suite)
        let key = try tree.take(senderData.leafIndex, message.contentType, senderData.generation, group.suite)
        note(key)
        note(tree.root)
        try noteSenderDataKey(of: MLSMessage.privateMessage(message).encoded, in: group)
        return try message.unprotected(senderData, key: key, suite: group.suite).content
      default: throw MLSError.unexpectedMessage
      }
    }

    /// What a member learns on its way through a commit, by the same steps.
    mutating func note(
      _ commit: OutgoingCommit, for group: Group, psks: any PSKProvider
    ) throws {
      let message = try content(of: commit.message, in: group)
      guard case .commit(let content) = message.body else { throw MLSError.unexpectedMessage }
      let suite = group.suite
      let sender = message.sender
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
