import Foundation
import TestSupport
import Testing

@testable import CryptoSuite
@testable import MLS

/// No value that holds a secret shows it: not in a description, not in a debug description, not in a dump.
struct SecretPrintingTests {
  private static let suite = CipherSuite.mls128X25519AES128SHA256Ed25519

  @Test func `nothing that holds a secret prints it`() throws {
    let table = try SecretHolders()
    let runs = table.runs
    #expect(runs.count > 1000)
    // What the search looks for, it finds.
    let secret = Secret([UInt8](200...231))
    let shown = Self.runs(of: [secret])
    #expect(Self.showsSecret("\(secret.exposedBytes)", shown))
    #expect(Self.showsSecret("0x" + secret.exposedBytes.map { String($0, radix: 16) }.joined(), shown))
    var dumped = ""
    dump(secret.exposedBytes, to: &dumped)
    #expect(Self.showsSecret(dumped, shown))

    for (name, value) in table.values {
      var dumped = ""
      dump(value, to: &dumped)
      for text in ["\(value)", String(reflecting: value), dumped] {
        #expect(!Self.showsSecret(text, runs), "\(name) shows a secret")
      }
    }
  }

  @Test func `every type that holds a secret is in the table`() throws {
    let known = Set(try SecretHolders().values.keys)
    let found = try Self.holders()
    #expect(found.contains("EpochSecrets") && found.contains("Group"))
    // One whose only such property has a default value.
    #expect(found.contains("GroupSecrets") && found.contains("PreSharedKeys"))
    let missing = found.subtracting(known).sorted()
    #expect(missing.isEmpty, "put into the table of `SecretHolders`: \(missing)")
  }

  // MARK: Looking for bytes in text

  private static let runLength = 6

  static func runs(of secrets: [Secret]) -> Set<[UInt8]> {
    var runs: Set<[UInt8]> = []
    for bytes in secrets.map(\.exposedBytes) where bytes.count >= runLength {
      for start in 0...(bytes.count - runLength) {
        let run = Array(bytes[start..<start + runLength])
        if Set(run).count > 1 { runs.insert(run) }
      }
    }
    return runs
  }

  /// Whether a run of a secret stands in the text, as decimal numbers in a row or as hexadecimal digits.
  static func showsSecret(_ text: String, _ runs: Set<[UInt8]>) -> Bool {
    let numbers = text.split(whereSeparator: { !$0.isASCII || !$0.isNumber }).map { UInt8($0) ?? 0 }
    if shows(numbers, runs) { return true }
    for digits in text.lowercased().split(whereSeparator: { !$0.isHexDigit }) {
      let values = digits.compactMap { $0.hexDigitValue }
      for start in 0..<2 {
        let bytes = stride(from: start, to: values.count - 1, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
        if shows(bytes, runs) { return true }
      }
    }
    return false
  }

  private static func shows(_ bytes: [UInt8], _ runs: Set<[UInt8]>) -> Bool {
    guard bytes.count >= runLength else { return false }
    return (0...(bytes.count - runLength)).contains { runs.contains(Array(bytes[$0..<$0 + runLength])) }
  }

  // MARK: Looking for types in the sources

  /// The types that store a ``Secret``, by themselves or in another such type.
  private static func holders() throws -> Set<String> {
    var properties: [String: [String]] = [:]
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../Sources").standardized
    for folder in ["Foundations/CryptoSuite", "Protocols/MLS"] {
      let files = try #require(FileManager.default.enumerator(at: root.appending(path: folder), includingPropertiesForKeys: nil))
      for case let file as URL in files where file.pathExtension == "swift" {
        collect(try String(contentsOf: file, encoding: .utf8), into: &properties)
      }
    }
    var holders: Set<String> = ["Secret"]
    while true {
      let more = properties.filter { type, stored in
        !holders.contains(type) && stored.contains { holds($0, holders) }
      }
      if more.isEmpty { return holders }
      holders.formUnion(more.keys)
    }
  }

  private static func holds(_ type: String, _ holders: Set<String>) -> Bool {
    type.split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "_" }).contains { holders.contains(String($0)) }
  }

  /// Adds the types of stored properties and of enumeration payloads, by the type that they are in. The sources are
  /// formatted, so the indentation tells.
  private static func collect(_ text: String, into properties: inout [String: [String]]) {
    let declaration = /^(\s*)(?:(?:public|package|private|fileprivate|final|indirect) )*(struct|enum|class|actor|extension) (\w+)/
    // With or without a default value, from which alone the type may be seen.
    let property = /^\s*(?:(?:public|package|private|fileprivate|private\(set\)) )*(?:let|var) \w+(?:: ([^={]+?))?(?: = (.+))?$/
    let payload = /^\s*(?:indirect )?case \w+\((.*)\)$/
    var open: [(indentation: Int, type: String?)] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let indentation = line.prefix { $0 == " " }.count
      if !line.allSatisfy(\.isWhitespace), !line.hasPrefix("#") {
        while let last = open.last, indentation <= last.indentation { open.removeLast() }
      }
      if let match = line.firstMatch(of: declaration) {
        open.append((indentation, match.output.2 == "extension" ? nil : String(match.output.3)))
      } else if let last = open.last, let type = last.type, indentation == last.indentation + 2 {
        if let match = line.wholeMatch(of: property) {
          properties[type, default: []] += [match.output.1, match.output.2].compactMap { $0.map(String.init) }
        }
        if let match = line.wholeMatch(of: payload) { properties[type, default: []].append(String(match.output.1)) }
      }
    }
  }
}

/// One value of each type that holds a secret, and all the secrets that are in them.
private struct SecretHolders {
  private(set) var values: [String: Any] = [:]
  private var secrets: [Secret] = []

  var runs: Set<[UInt8]> { SecretPrintingTests.runs(of: secrets) }

  init() throws {
    let suite = CipherSuite.mls128X25519AES128SHA256Ed25519
    let validator = BasicIdentities()
    let (alice, bob) = (Client("alice", suite), Client("bob", suite))
    let first = try Group.create(
      groupID: [1], cipherSuite: suite, leaf: alice.parameters, signer: alice.signer, validator: validator)
    let bundle = try bob.bundle()
    secrets += [alice.signer.privateBytes, bob.signer.privateBytes]
    secrets += [bundle.initKey.privateKey, bundle.leafKey.privateKey]

    let commit = try first.commit(CommitPlan(adds: [bundle.keyPackage]), signer: alice.signer, validator: validator)
    let welcome = try #require(commit.welcome)
    let joined = try Group.join(welcome: welcome, keyPackage: bundle, validator: validator)
    guard case .welcome(let decoded) = try MLSMessage.decode(welcome) else { throw MLSError.unexpectedMessage }
    let groupSecrets = try decoded.groupSecrets(for: bundle)
    let update = try joined.group.proposeUpdate(signer: bob.signer)
    let text: [UInt8] = Array("these words are nobody else's".utf8)
    let sent = try commit.group.protect(text, signer: alice.signer)
    let received = try joined.group.process(sent.message, validator: validator)
    guard case .application(let message, let afterMessage) = received else { throw MLSError.unexpectedMessage }
    show(sent)
    let second = try commit.group.commit(CommitPlan(), signer: alice.signer, validator: validator)
    let followed = try afterMessage.process(second.message, validator: validator)
    guard case .commit(let receivedCommit) = followed, let group = receivedCommit.group else {
      throw MLSError.unexpectedMessage
    }
    secrets.append(Secret(text))
    for group in [first, commit.group, joined.group, update.group, afterMessage, group] { note(group) }

    show(bundle)
    show(groupSecrets)
    secrets += [groupSecrets.joinerSecret] + (groupSecrets.pathSecret.map { [$0] } ?? [])
    show(GroupSecrets(joinerSecret: groupSecrets.joinerSecret, pathSecret: nil, preSharedKeys: []))
    show(commit)
    show(joined)
    show(update)
    show(message)
    show(received)
    show(receivedCommit)
    show(group)
    show(group.archive())
    try showStored("a group's secret part", group.archive().secretPart, holding: group.secrets.initSecret)
    try showStored("a group's secret archive", group.secretArchive(), holding: group.secrets.exporterSecret)
    try showStored("a bundle's secret encoding", bundle.secretEncoding, holding: bundle.initKey.privateKey)
    show(group.secrets)
    show(group.privateKeys)
    show(group.secretTree)
    show(group.secretTree.root)
    show(group.exporterTree)
    let exported = try group.safeExportSecret(for: ComponentID(rawValue: 0x8001))
    secrets.append(exported.secret)
    note(exported.group)
    show(exported)
    show(exported.group.exporterTree)
    show(exported.group.exporterTree.root)
    show(try #require(group.pastEpochs.first))
    show(try #require(group.resumptionSecrets.first))
    show(try #require(update.group.pending.first))
    show(CommitPlan(newSigner: bob.signer))
    show(PredecessorKeys(group: group, others: NoPreSharedKeys()))
    show(Predecessor.branched(group))
    show(Predecessor.reinitialized(group))
    try showSavedState(first)
    try showKeys(suite, bundle, alice)
    try showPath(suite, group)
    try showPartial(suite)
  }

  private mutating func show(_ value: Any) { values[Self.name(type(of: value))] = value }

  /// The type's own name, without what it is nested in and what it is generic over.
  private static func name(_ type: Any.Type) -> String {
    let name = String(describing: type)
    return String(name.prefix { $0 != "<" }.split(separator: ".").last ?? "")
  }

  private mutating func note(_ group: Group) {
    let all = group.secrets
    secrets += [
      all.senderDataSecret, all.exporterSecret, all.externalSecret, all.confirmationKey, all.membershipKey,
      all.resumptionPSK, all.initSecret,
    ]
    secrets += group.privateKeys.pairs.values.map(\.privateKey)
    secrets += group.pending.compactMap(\.leafKey?.privateKey)
    secrets += group.pastEpochs.map(\.senderDataSecret)
    secrets += group.resumptionSecrets.map(\.secret)
    note(group.secretTree.root)
    for past in group.pastEpochs { note(past.secretTree.root) }
    note(group.exporterTree.root)
  }

  private mutating func note(_ branch: ExporterTree.Branch) {
    switch branch {
    case .sealed(let secret): secrets.append(secret)
    case .parent(let left, let right):
      note(left)
      note(right)
    case .spent: break
    }
  }

  private mutating func note(_ branch: SecretTree.Branch) {
    switch branch {
    case .sealed(let secret): secrets.append(secret)
    case .parent(let left, let right):
      note(left)
      note(right)
    case .member(let ratchets): secrets += [ratchets.handshake.secret, ratchets.application.secret]
    }
  }

  /// What is stored is not the only value of its type, so it has a name of its own.
  private mutating func showStored(_ name: String, _ stored: Secret, holding key: Secret) throws {
    _ = try #require(stored.exposedBytes.firstRange(of: key.exposedBytes))
    values[name] = stored
  }

  private mutating func showSavedState(_ group: Group) throws {
    show(try SecretPart(group.secretArchive(), past: []))
  }

  private mutating func showKeys(_ suite: CipherSuite, _ bundle: KeyPackageBundle, _ client: Client) throws {
    let secret = Secret(randomByteCount: 32)
    let schedule = KeySchedule(epochSecret: secret, suite: suite)
    let welcome = WelcomeKey(welcomeSecret: secret, suite: suite)
    let path = PathSecret(secret: secret, suite: suite)
    var ratchets = MemberRatchets(secret: secret, suite)
    let key = try ratchets.application.take(3, suite)
    let info = HPKEInfo(suite: suite.hpke, info: [], psk: secret, pskID: [1])
    let hpke = HPKEKeySchedule(sharedSecret: secret, info: info)
    secrets += [
      secret, schedule.encryptionSecret, schedule.applicationExportSecret, schedule.secrets.initSecret, welcome.key,
      welcome.nonce, path.next.secret, ratchets.application.secret, key.key, key.nonce, hpke.key, hpke.baseNonce,
      hpke.exporterSecret,
    ]
    for skipped in ratchets.application.skipped { secrets += [skipped.key.key, skipped.key.nonce] }
    show(secret)
    show(schedule)
    show(welcome)
    show(path)
    show(ratchets)
    show(ratchets.application)
    show(try #require(ratchets.application.skipped.first))
    show(key)
    show(info)
    show(hpke)
    show(bundle.initKey)
    show(client.signer)
    var keys = PreSharedKeys()
    keys.add(secret, externalID: [1])
    show(keys)
    // Keys of the library below, in each suite.
    for suite in testedSuites {
      let pair = suite.hpke.generateKeyPair()
      secrets.append(pair.privateKey)
      let key = try suite.hpke.kem.privateKey(pair.privateKey)
      values["private key of suite \(suite.rawValue)"] = key
      let signer = suite.signature.generateKey()
      secrets.append(signer.privateBytes)
      values["signature key of suite \(suite.rawValue)"] = signer
    }
    let issuer = try BlindSignatureKey.generate()
    secrets.append(issuer.derBytes)
    show(issuer)
  }

  private mutating func showPath(_ suite: CipherSuite, _ group: Group) throws {
    var tree = group.state.tree
    let own = group.ownLeafNode
    let path = try tree.makePath(from: group.ownLeafIndex, excluding: []) { _, _ throws(MLSError) in own }
    secrets += [path.commitSecret] + path.steps.map(\.secret) + path.privateKeys.pairs.values.map(\.privateKey)
    show(path)
    show(try #require(path.steps.first))
  }

  private mutating func showPartial(_ suite: CipherSuite) throws {
    let world = try MixedWorld(suite, full: 2, partial: 1)
    let group = world.partial[0].group
    let sender = try #require(world.full[0].group.members.first)
    secrets += [group.secrets.initSecret, group.secrets.exporterSecret, group.secrets.senderDataSecret]
    secrets += group.privateKeys.pairs.values.map(\.privateKey)
    show(group)
    try showStored("a partial member's secret archive", group.secretArchive(), holding: group.secrets.initSecret)
    show(JoinedPartialGroup(group: group, groupInfoExtensions: [], signer: sender, preSharedKeys: []))
    let proposal = ReceivedProposal(
      sender: .member(LeafIndex(0)), proposal: .remove(LeafIndex(1)), reference: ProposalRef([1]))
    show(PartialReceived.proposal(proposal, group))
    let commit = try world.full[0].group.commit(
      CommitPlan(), signer: world.full[0].client.signer, validator: BasicIdentities())
    let annotated = try world.full[0].group.annotator(for: commit.message, commit).annotated(for: group.ownLeafIndex)
    let received = try group.process(annotated, validator: BasicIdentities())
    if let next = received.group { secrets += [next.secrets.initSecret, next.secrets.exporterSecret] }
    show(received)
  }
}
