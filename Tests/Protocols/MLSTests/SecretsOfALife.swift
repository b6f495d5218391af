#if os(Linux)
  import Testing
  import WireFormat

  @testable import CryptoSuite
  @testable import MLS

  /// A group's life, of which every secret is noted.
  struct SecretsOfALife {
    struct Keys: PSKProvider {
      var secret: Secret
      func secret(for id: PreSharedKeyID) -> Secret? { secret }
    }

    let suite: CipherSuite
    let notes = Notes()
    var members: [Participant]
    /// Those without the tree.
    var partial: [PartialParticipant] = []

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
      try addPartial("light", by: 3)
      try commit(CommitPlan(encrypt: false), by: 1)
      try talk()
      try export()
      let psks = Keys(secret: Secret(randomByteCount: 32))
      try notes.take { record in record.note("pre-shared key", psks.secret) }
      let id = PreSharedKeyID.external(id: [7], cipherSuite: suite)
      try commit(CommitPlan(psks: [id]), by: 2, psks: psks)
      try proposeUpdate(by: 3)
      try commit(CommitPlan(), by: 0)
      try talk()
      try joinExternally("5")
      let newSigner = suite.signature.generateKey()
      try commit(CommitPlan(newSigner: newSigner), by: 1)
      members[1].client.signer = newSigner
      try commit(CommitPlan(removes: [LeafIndex(2)], encrypt: false), by: 0)
      try talk()
      try add(["6"], by: 1)
      try export()
      try upgrade()
      // So that no past epoch keeps anything of those before.
      for step in 0...Limits.pastEpochs {
        try commit(CommitPlan(encrypt: step.isMultiple(of: 2)), by: step % members.count)
      }
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
        for receiver in partial.indices {
          for index in [2, 0, 1, 3] {
            let proven = try members[sender].group.senderAuthenticated(messages[index])
            guard case .application(_, let next) = try partial[receiver].group.process(proven, validator: BasicIdentities())
            else { throw MLSError.unexpectedMessage }
            partial[receiver].group = next
            try notes.take { record in record.note(next, partial[receiver].client) }
          }
          try restartPartial(receiver)
        }
        try restart(sender)
      }
      for sender in partial.indices {
        try notes.take { record in try record.noteNextKey(of: partial[sender].group) }
        let message = try partial[sender].send([4, 5])
        try notes.take { record in try record.noteSenderDataKey(of: message, in: partial[sender].group) }
        for receiver in members.indices { _ = try members[receiver].read(message) }
      }
    }

    private mutating func restart(_ member: Int) throws {
      members[member].group = try Group(restoring: members[member].group.archive())
    }

    private mutating func restartPartial(_ member: Int) throws {
      partial[member].group = try PartialGroup(restoring: partial[member].group.archive())
    }

    /// Everybody derives secrets for use elsewhere.
    private mutating func export() throws {
      let component = ComponentID(rawValue: 0x8001)
      try notes.take { record in record.noteExports(of: members[0].group, label: "call", component) }
      for index in members.indices {
        let secret = try members[index].group.export(label: "call", context: [1], count: 32)
        try notes.take { record in record.note("exported secret", secret) }
        members[index].group = try members[index].group.safeExportSecret(for: component).group
        try notes.take { record in record.note(members[index].group, members[index].client) }
      }
      for index in partial.indices {
        _ = try partial[index].group.export(label: "call", context: [1], count: 32)
        partial[index].group = try partial[index].group.safeExportSecret(for: component).group
        try notes.take { record in record.note(partial[index].group, partial[index].client) }
      }
    }

    /// Joins without the tree.
    private mutating func addPartial(_ name: String, by committer: Int) throws {
      let client = Client(name, suite)
      let bundle = try client.bundle()
      let commit = try commit(CommitPlan(adds: [bundle.keyPackage], ratchetTreeInWelcome: false), by: committer)
      let welcome = try #require(commit.welcome)
      try notes.take { record in try record.note(bundle, welcome, group: commit.group) }
      let annotated = try commit.group.annotatedWelcome(welcome, for: bundle.keyPackage)
      let group = try PartialGroup.join(annotated, keyPackage: bundle, validator: BasicIdentities()).group
      try notes.take { record in record.note(group, client) }
      partial.append(PartialParticipant(client: client, group: group))
    }

    /// Those without the tree fetch it, and one with a tree gives it away.
    private mutating func upgrade() throws {
      let tree = members[0].group.exportRatchetTree()
      for member in partial {
        let group = try member.group.upgraded(withRatchetTree: tree, validator: BasicIdentities())
        try notes.take { record in record.note(group, member.client) }
        members.append(Participant(client: member.client, group: group))
      }
      partial = []
      let last = members.removeLast()
      partial.append(PartialParticipant(client: last.client, group: last.group.downgraded()))
    }

    private mutating func add(_ names: [String], by committer: Int) throws {
      let clients = names.map { Client($0, suite) }
      let bundles = try clients.map { try $0.bundle() }
      let commit = try commit(CommitPlan(adds: bundles.map(\.keyPackage), encrypt: false), by: committer)
      for (client, bundle) in zip(clients, bundles) {
        let welcome = try #require(commit.welcome)
        try notes.take { record in try record.note(bundle, welcome, group: commit.group) }
        let group = try Group.join(welcome: welcome, keyPackage: bundle, validator: BasicIdentities()).group
        try notes.take { record in record.note(group, client) }
        members.append(Participant(client: client, group: group))
      }
    }

    @discardableResult
    private mutating func commit(
      _ plan: CommitPlan, by committer: Int, psks: any PSKProvider = NoPreSharedKeys()
    ) throws -> OutgoingCommit {
      let before = members[committer].group
      if plan.encrypt { try notes.take { record in try record.noteNextKey(of: before, .commit) } }
      let commit = try before.commit(
        plan, signer: members[committer].client.signer, psks: psks, validator: BasicIdentities())
      members[committer].group = commit.group
      try notes.take { record in record.note(commit.group, members[committer].client) }
      try follow(commit, annotator: partial.isEmpty ? nil : before.annotator(for: commit.message, commit), psks: psks) { $0 != committer }
      return commit
    }

    private mutating func follow(
      _ commit: OutgoingCommit, annotator: CommitAnnotator? = nil, psks: any PSKProvider = NoPreSharedKeys(),
      _ isReceiver: (Int) -> Bool
    ) throws {
      var annotator = annotator
      let removed = Set(commit.changes.removed.map(\.leafIndex))
      for index in members.indices where isReceiver(index) {
        let before = members[index].group
        if !removed.contains(before.ownLeafIndex) {
          try notes.take { record in try record.note(commit, for: before, psks: psks) }
        }
        guard case .commit(let received) = try members[index].receive(commit.message, psks: psks) else {
          throw MLSError.unexpectedMessage
        }
        if let group = received.group {
          if annotator == nil, !partial.isEmpty { annotator = try before.annotator(for: commit.message, received) }
          members[index].group = group
        }
        try notes.take { record in record.note(members[index].group, members[index].client) }
      }
      for index in partial.indices {
        let annotated = try #require(try annotator?.annotated(for: partial[index].group.ownLeafIndex))
        let received = try partial[index].group.process(
          annotated, allowsExternal: true, psks: psks, validator: BasicIdentities())
        partial[index].group = try #require(received.group)
        try notes.take { record in record.note(partial[index].group, partial[index].client) }
      }
      members.removeAll { removed.contains($0.group.ownLeafIndex) }
    }

    private mutating func proposeUpdate(by proposer: Int) throws {
      try notes.take { record in try record.noteNextKey(of: members[proposer].group, .proposal) }
      let sent = try members[proposer].group.proposeUpdate(signer: members[proposer].client.signer)
      members[proposer].group = sent.group
      try notes.take { record in try record.noteSenderDataKey(of: sent.message, in: sent.group) }
      for index in members.indices where index != proposer {
        guard case .proposal(_, let next) = try members[index].receive(sent.message) else {
          throw MLSError.unexpectedMessage
        }
        members[index].group = next
        try restart(index)
      }
      for index in partial.indices {
        let proven = try sent.group.senderAuthenticated(sent.message)
        guard case .proposal(_, let next) = try partial[index].group.process(proven, validator: BasicIdentities()) else {
          throw MLSError.unexpectedMessage
        }
        partial[index].group = next
      }
      try notes.take { record in record.note("leaf or node key", sent.group.pending.first?.leafKey?.privateKey) }
    }

    private mutating func joinExternally(_ name: String) throws {
      let client = Client(name, suite)
      let info = try members[0].group.groupInfo(signer: members[0].client.signer)
      let commit = try Group.joinExternally(
        groupInfo: info, leaf: client.parameters, signer: client.signer, validator: BasicIdentities())
      try follow(commit) { _ in true }
      members.append(Participant(client: client, group: commit.group))
      try notes.take { record in record.note(commit.group, client) }
    }
  }

  /// What was learnt so far.
  final class Notes {
    var record = SecretRecord()

    func take(_ body: (inout SecretRecord) throws -> Void) throws {
      try onAnotherStack { try body(&record) }
    }
  }
#endif
