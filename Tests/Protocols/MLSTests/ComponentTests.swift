import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// The parts of draft-ietf-mls-extensions that keep components of one application apart.
struct ComponentTests {
  private let suite = testedSuites[0]

  // MARK: The safe exporter

  @Test(arguments: testedSuites)
  func `all members derive the same secret for a component, each once`(suite: CipherSuite) throws {
    var world = try World(suite, count: 3)
    let components = [0x8001, 0x8002, 0, 0xFFFF].map { ComponentID(rawValue: $0) }
    var secrets: [Secret] = []
    for component in components {
      let taken = try world.members.map { try $0.group.safeExportSecret(for: component) }
      #expect(taken.allSatisfy { $0.secret == taken[0].secret })
      #expect(taken[0].secret.byteCount == suite.hash.byteCount)
      #expect(!secrets.contains(taken[0].secret))
      secrets.append(taken[0].secret)
      for index in world.members.indices {
        world.members[index].group = try Group(restoring: taken[index].group.archive())
      }
    }
    for component in components {
      #expect(throws: MLSError.exportSecretSpent) { try world.members[1].group.safeExportSecret(for: component) }
    }
    try world.commit(CommitPlan(), by: 0)
    let next = try world.members.map { try $0.group.safeExportSecret(for: components[0]).secret }
    #expect(next.allSatisfy { $0 == next[0] })
    #expect(!secrets.contains(next[0]))
  }

  @Test func `the exporter tree is derived as the draft says`() throws {
    let root = Secret([UInt8](repeating: 7, count: suite.hash.byteCount))
    for number: UInt16 in [0, 1, 0x8000, 0xA5C3, 0xFFFF] {
      // From the root down, by the bits of the number, highest first.
      var expected = root
      for bit in (0..<16).reversed() {
        let side = number >> UInt16(bit) & 1 == 1 ? "right" : "left"
        expected = suite.expandWithLabel(expected, label: "tree", context: Array(side.utf8), count: 32)
      }
      var tree = ExporterTree(secret: root)
      #expect(try tree.take(ComponentID(rawValue: number), suite) == expected)
    }
    let epoch = Secret([UInt8](repeating: 9, count: 32))
    #expect(
      KeySchedule(epochSecret: epoch, suite: suite).applicationExportSecret
        == suite.deriveSecret(epoch, label: "application_export"))
  }

  @Test func `what was taken is gone from the saved tree, and all else is still there`() throws {
    let root = Secret([UInt8](repeating: 7, count: suite.hash.byteCount))
    // All that the secret could be derived from again, from the root down to itself, and what stands beside the way.
    var way = [root]
    var beside: [Secret] = []
    for bit in (0..<16).reversed() {
      let (left, right) = (suite.leftSecret(below: way[way.count - 1]), suite.rightSecret(below: way[way.count - 1]))
      let goesRight = 5 >> bit & 1 == 1
      way.append(goesRight ? right : left)
      beside.append(goesRight ? left : right)
    }
    var tree = ExporterTree(secret: root)
    let taken = try tree.take(ComponentID(rawValue: 5), suite)
    #expect(taken == way.last)
    let saved = tree.encoded
    for secret in way { #expect(!saved.contains(secret.exposedBytes)) }
    for secret in beside { #expect(saved.contains(secret.exposedBytes)) }
    var restored = try ExporterTree(decoding: saved)
    var whole = ExporterTree(secret: root)
    for number: UInt16 in [4, 6, 0x9999] {
      let component = ComponentID(rawValue: number)
      #expect(try restored.take(component, suite) == whole.take(component, suite))
    }
    #expect(throws: MLSError.exportSecretSpent) { try restored.take(ComponentID(rawValue: 5), suite) }
    let damages: [[UInt8]] = [[], [3], Array(saved.dropLast()), saved + [0], [UInt8](repeating: 1, count: 17) + [0]]
    for damaged in damages {
      #expect(throws: WireError.self) { try ExporterTree(decoding: damaged) }
    }
  }

  @Test func `a state saved without an exporter tree has nothing to export until the next epoch`() throws {
    var world = try World(suite, count: 2)
    // Version 1 had no exporter tree; everything else was the same.
    var archive = world.members[1].group.archive()
    var tree = ByteWriter()
    world.members[1].group.exporterTree.encode(into: &tree)
    var secretPart = archive.secretPart.exposedBytes
    secretPart.removeSubrange(try #require(secretPart.firstRange(of: tree.bytes)))
    secretPart[0] = 1
    archive.secretPart = Secret(secretPart)
    archive.publicPart[0] = 1
    world.members[1].group = try Group(restoring: archive)
    // A message rewrites the secret part alone.
    archive.secretPart = world.members[1].group.secretArchive()
    world.members[1].group = try Group(restoring: archive)
    #expect(throws: MLSError.exportSecretSpent) {
      try world.members[1].group.safeExportSecret(for: ComponentID(rawValue: 0x8000))
    }
    try world.commit(CommitPlan(), by: 0)
    let component = ComponentID(rawValue: 0x8000)
    #expect(
      try world.members[1].group.safeExportSecret(for: component).secret
        == world.members[0].group.safeExportSecret(for: component).secret)
    archive.publicPart[0] = 3
    #expect(throws: MLSError.invalidArchive) { try Group(restoring: archive) }
  }

  // MARK: Dictionaries

  @Test func `a dictionary is in rising order, each component once`() throws {
    let dictionary = AppDataDictionary([ComponentID(rawValue: 9): [1], .safeAAD: [], ComponentID(rawValue: 0x8000): [2]])
    #expect(dictionary.encoded == [11, 0, 2, 0, 0, 9, 1, 1, 0x80, 0, 1, 2])
    #expect(try AppDataDictionary(decoding: dictionary.encoded) == dictionary)
    for list: [UInt8] in [[0, 2, 0, 0, 2, 0], [0, 3, 0, 0, 2, 0], [0, 3], [0, 3, 2, 1]] {
      #expect(throws: WireError.self) { try AppDataDictionary(decoding: [UInt8(list.count)] + list) }
      #expect(throws: WireError.self) { try SafeAAD(decoding: [UInt8(list.count)] + list) }
    }
  }

  @Test func `a dictionary out of order is refused wherever it stands`() throws {
    let bad = Extension(type: .appDataDictionary, data: [6, 0, 3, 0, 0, 2, 0])
    let expected = MLSError.malformed(.invalidValue(2))
    let client = Client("new", suite)
    let package = try client.bundle().keyPackage
    for forged in [
      try package.forged(by: client) { $0.extensions.append(bad) },
      try package.forged(by: client) { $0.leafNode.extensions = [bad] },
    ] {
      #expect(throws: expected) { try forged.validate(cipherSuite: suite, validator: BasicIdentities()) }
    }
    let world = try World(suite, count: 2)
    let forger = world.members[1]
    #expect(throws: expected) {
      try world.members[0].receive(forger.forge([.groupContextExtensions([bad])], path: forger.path()))
    }
    let info = try world.members[0].group.groupInfo(signer: world.members[0].client.signer, extensions: [bad])
    #expect(throws: expected) {
      try Group.joinExternally(
        groupInfo: info, leaf: client.parameters, signer: client.signer, validator: BasicIdentities())
    }
  }

  @Test func `a last resort is marked by its component, and by the extension of older drafts`() throws {
    let client = Client("a", suite)
    let bundle = try client.bundle(lastResort: true)
    #expect(bundle.keyPackage.isLastResort)
    #expect(try bundle.keyPackage.extensions.appData().entries == [.lastResortKeyPackage: []])
    // Whoever uses the dictionary says which components it knows.
    let known = try #require(try bundle.keyPackage.leafNode.extensions.appData().entries[.appComponents])
    #expect(try ComponentsList(decoding: known).components.contains(.lastResortKeyPackage))
    #expect(bundle.keyPackage.leafNode.capabilities.supports(.appDataDictionary))
    let plain = try client.bundle().keyPackage
    #expect(!plain.isLastResort)
    let older = try plain.forged(by: client) {
      $0.leafNode.capabilities.extensions.append(.lastResort)
      $0.extensions.append(Extension(type: .lastResort, data: []))
    }
    #expect(older.isLastResort)
    // The mark has no data; what has some is none.
    let filled = try plain.forged(by: client) {
      $0.extensions.append(AppDataDictionary([.lastResortKeyPackage: [1]]).asExtension)
    }
    let olderFilled = try older.forged(by: client) { $0.extensions = [Extension(type: .lastResort, data: [0])] }
    for package in [filled, olderFilled] {
      #expect(!package.isLastResort)
      try package.validate(cipherSuite: suite, validator: BasicIdentities())
    }
    // It is used more than once, and whoever processes the commit can tell.
    for _ in 0..<2 {
      var world = try World(suite, count: 2)
      let other = try Client("b", suite).bundle().keyPackage
      let commit = try world.commit(CommitPlan(adds: [other, bundle.keyPackage]), by: 0)
      #expect(commit.changes.added.map(\.leafIndex) == [LeafIndex(2), LeafIndex(3)])
      #expect(commit.changes.addedByLastResort == [LeafIndex(3)])
      _ = try Group.join(welcome: try #require(commit.welcome), keyPackage: bundle, validator: BasicIdentities())
    }
  }

  @Test func `whoever supports the dictionary advertises the components it knows`() throws {
    let client = Client("a", suite)
    let own = ComponentID(rawValue: 0x8001)
    var leaf = client.parameters
    leaf.extensions = [AppDataDictionary([.appComponents: ComponentsList([own]).encoded]).asExtension]
    let group = try Group.create(
      groupID: [1], cipherSuite: suite, leaf: leaf, signer: client.signer, validator: BasicIdentities())
    let data = try #require(try group.ownLeafNode.extensions.appData().entries[.appComponents])
    let listed = try ComponentsList(decoding: data).components
    #expect(listed == [own, .appComponents, .safeAAD, .lastResortKeyPackage])
    leaf.capabilities.extensions = []
    leaf.extensions = []
    let plain = try Group.create(
      groupID: [1], cipherSuite: suite, leaf: leaf, signer: client.signer, validator: BasicIdentities())
    #expect(plain.ownLeafNode.extensions.isEmpty)
  }

  // MARK: Authenticated data and pre-shared keys

  @Test func `a group that frames its authenticated data takes no other`() throws {
    let dictionary = AppDataDictionary([.safeAAD: ComponentsList([]).encoded])
    var world = try World(suite, count: 1, extensions: [dictionary.asExtension])
    let framed = SafeAAD([ComponentID(rawValue: 0x8000): [1, 2]]).encoded
    let bundle = try Client("1", suite).bundle()
    let signer = world.members[0].client.signer
    #expect(throws: MLSError.invalidFraming) {
      try world.members[0].group.commit(
        CommitPlan(adds: [bundle.keyPackage]), signer: signer, validator: BasicIdentities())
    }
    let commit = try world.commit(CommitPlan(adds: [bundle.keyPackage], authenticatedData: framed), by: 0)
    let joined = try Group.join(
      welcome: try #require(commit.welcome), keyPackage: bundle, validator: BasicIdentities())
    let first = world.members[0].group
    #expect(throws: MLSError.invalidFraming) { try first.protect([1], authenticatedData: [9], signer: signer) }
    #expect(throws: MLSError.invalidFraming) { try first.propose(.remove(LeafIndex(1)), signer: signer) }
    let good = try first.protect([1], authenticatedData: framed, signer: signer)
    guard case .application(let message, _) = try joined.group.process(good.message, validator: BasicIdentities())
    else { throw MLSError.unexpectedMessage }
    #expect(try SafeAAD(decoding: message.authenticatedData).items == [ComponentID(rawValue: 0x8000): [1, 2]])
    // One that a member sends unframed all the same is refused, now and when it is late.
    let bad = try world.members[0].forge(.application([1]))
    #expect(throws: MLSError.invalidFraming) { try joined.group.process(bad, validator: BasicIdentities()) }
    let later = try first.commit(
      CommitPlan(authenticatedData: SafeAAD().encoded), signer: signer, validator: BasicIdentities())
    guard case .commit(let received) = try joined.group.process(later.message, validator: BasicIdentities()),
      let next = received.group
    else { throw MLSError.unexpectedMessage }
    #expect(throws: MLSError.invalidFraming) { try next.process(bad, validator: BasicIdentities()) }
    let info = try first.groupInfo(signer: signer)
    let joiner = Client("2", suite)
    #expect(throws: MLSError.invalidFraming) {
      try Group.joinExternally(
        groupInfo: info, leaf: joiner.parameters, signer: joiner.signer, validator: BasicIdentities())
    }
  }

  @Test func `a component's pre-shared key is told apart from all others`() throws {
    struct Keys: PSKProvider {
      func secret(for id: PreSharedKeyID) -> Secret? {
        switch id.key {
        case .application(ComponentID(rawValue: 0x8000), [5]): Secret([UInt8](repeating: 1, count: 32))
        default: nil
        }
      }
    }
    var world = try World(suite, count: 3)
    let id = PreSharedKeyID.application(component: ComponentID(rawValue: 0x8000), id: [5], cipherSuite: suite)
    #expect(id.encoded.prefix(5) == [3, 0x80, 0, 1, 5])
    #expect(try PreSharedKeyID(decoding: id.encoded) == id)
    try world.commit(CommitPlan(psks: [id]), by: 0, psks: Keys())
    try world.checkAgreement()
    for other in [
      PreSharedKeyID.application(component: ComponentID(rawValue: 0x8001), id: [5], cipherSuite: suite),
      .external(id: [5], cipherSuite: suite),
    ] {
      #expect(throws: MLSError.missingPreSharedKey) {
        try world.members[0].group.commit(
          CommitPlan(psks: [other]), signer: world.members[0].client.signer, psks: Keys(), validator: BasicIdentities())
      }
    }
  }
}
