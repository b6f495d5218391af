import CryptoSuite
import MLS
import WireFormat

/// A group of N members: what it costs its creator, a newcomer, and everybody whenever somebody commits.
struct GroupBenchmarks {
  private let area: String
  private let floors: Floors
  private let count: Int
  /// Members that follow every commit; the others are in the tree only.
  private static let liveCount = 16

  init(area: String, floors: Floors, count: Int) {
    self.area = area
    self.floors = floors
    self.count = count
  }

  private var suite: CipherSuite { floors.suite }

  func run(_ report: inout Report) throws {
    let signers = (0..<count).map { _ in suite.signature.generateKey() }
    let bundles = try (1..<count).map { try bundle($0, signers[$0]) }
    let founder = try Group.create(
      groupID: [1], cipherSuite: suite, leaf: leaf(0), signer: signers[0], validator: Anyone())

    // A newcomer costs the signatures of its leaf and its key package, and one seal in the Welcome.
    let everybody = CommitPlan(adds: bundles.map(\.keyPackage))
    let created = try founder.commit(everybody, signer: signers[0], validator: Anyone())
    let createTime = try best(samples: count > 500 ? 3 : 9, calls: 1) {
      keep(try founder.commit(everybody, signer: signers[0], validator: Anyone()))
    }
    let newcomers = Double(count - 1)
    let createFloor = newcomers * (2 * floors.verify + floors.seal) + 3 * floors.sign
    report.add(
      area, "create by one commit", size: count, createTime / 1e6, "ms", floor: createFloor / 1e6, of: "2 verifications, 1 seal a member")

    guard let welcome = created.welcome, let firstBundle = bundles.first else { return }
    let joinTime = try best(samples: count > 500 ? 5 : 15) {
      keep(try Group.join(welcome: welcome, keyPackage: firstBundle, validator: Anyone()))
    }
    let joinFloor = Double(count + 1) * floors.verify + 2 * floors.open + Double(2 * count) * floors.hash
    report.add(
      area, "join from Welcome and tree", size: count, joinTime / 1e6, "ms", floor: joinFloor / 1e6, of: "1 verification a member, 2 hashes"
    )
    report.add(area, "Welcome with tree", size: count, Double(welcome.count), "bytes")

    let step = max(1, (count - 1) / (Self.liveCount - 1))
    var live: [(index: Int, group: Group)] = [(0, created.group)]
    for index in stride(from: 1, to: count, by: step).prefix(Self.liveCount - 1) {
      live.append((index, try Group.join(welcome: welcome, keyPackage: bundles[index - 1], validator: Anyone()).group))
    }
    let first = try live[0].group.commit(CommitPlan(), signer: signers[0], validator: Anyone())
    report.add(area, "empty commit, after a mass add", size: count, Double(first.message.count), "bytes")
    try renewAll(&live, signers)
    try commits(live, signers, &report)
    try messages(live, signers, &report)
    let archive = live[1].group.archive()
    report.add(area, "saved state, public part", size: count, Double(archive.publicPart.count), "bytes")
    report.add(area, "saved state, secret part", size: count, Double(archive.secretPart.count), "bytes")
  }

  /// Lets the live members commit in turn, so that the tree has parents again above them.
  private func renewAll(_ live: inout [(index: Int, group: Group)], _ signers: [SigningKey]) throws {
    for committer in live.indices {
      let commit = try live[committer].group.commit(CommitPlan(), signer: signers[live[committer].index], validator: Anyone())
      for other in live.indices where other != committer { live[other].group = try follow(live[other].group, commit.message) }
      live[committer].group = commit.group
    }
  }

  private func follow(_ group: Group, _ message: [UInt8]) throws -> Group {
    guard case .commit(let received) = try group.process(message, validator: Anyone()), let next = received.group else {
      throw MLSError.unexpectedMessage
    }
    return next
  }

  private func commits(_ live: [(index: Int, group: Group)], _ signers: [SigningKey], _ report: inout Report) throws {
    let sender = live[0].group
    let receiver = live[1].group
    let commit = try sender.commit(CommitPlan(), signer: signers[0], validator: Anyone())
    // The path's ciphertexts are its seals: their number follows from the message.
    guard
      case .publicMessage(let readable) = try MLSMessage(
        decoding: sender.commit(CommitPlan(encrypt: false), signer: signers[0], validator: Anyone()).message),
      case .commit(let body) = readable.content.body, let path = body.path
    else { throw MLSError.unexpectedMessage }
    let seals = path.nodes.reduce(0) { $0 + $1.encryptedPathSecrets.count }
    let commitTime = try best(samples: 40, calls: 1) { keep(try sender.commit(CommitPlan(), signer: signers[0], validator: Anyone())) }
    let commitFloor = Double(seals) * floors.seal + Double(path.nodes.count + 1) * floors.makeKeyPair + 2 * floors.sign
    report.add(
      area, "empty commit", size: count, commitTime / 1e6, "ms", floor: commitFloor / 1e6,
      of: "\(seals) seals, \(path.nodes.count + 1) key pairs, 2 signatures")
    report.add(area, "empty commit", size: count, Double(commit.message.count), "bytes")
    let processTime = try best(samples: 40, calls: 1) { keep(try follow(receiver, commit.message)) }
    // The receiver is the committer's neighbour, so it derives every key of the path.
    let processFloor = 2 * floors.verify + floors.open + Double(path.nodes.count) * floors.makeKeyPair
    report.add(
      area, "process such a commit", size: count, processTime / 1e6, "ms", floor: processFloor / 1e6,
      of: "2 verifications, 1 open, \(path.nodes.count) key pairs")
  }

  private func messages(_ live: [(index: Int, group: Group)], _ signers: [SigningKey], _ report: inout Report) throws {
    let text = [UInt8](repeating: 7, count: 1_024)
    var sender = live[0].group
    var sent: [[UInt8]] = []
    let protectTime = try best(samples: 25, calls: 50) {
      let (message, next) = try sender.protect(text, signer: signers[0])
      sender = next
      sent.append(message)
    }
    let protectFloor = floors.sign + floors.sealKibibyte + 4 * floors.expand
    report.add(
      area, "protect 1 KiB", size: count, protectTime / 1e3, "us", floor: protectFloor / 1e3, of: "1 signature, 1 AEAD, 4 HKDF-Expand")
    var receiver = live[1].group
    var waiting = sent.makeIterator()
    let unprotectTime = try best(samples: 25, calls: 50) {
      guard let message = waiting.next(), case .application(_, let next) = try receiver.process(message, validator: Anyone()) else {
        throw MLSError.unexpectedMessage
      }
      receiver = next
    }
    let unprotectFloor = floors.verify + floors.openKibibyte + 4 * floors.expand
    report.add(
      area, "unprotect 1 KiB", size: count, unprotectTime / 1e3, "us", floor: unprotectFloor / 1e3,
      of: "1 verification, 1 AEAD, 4 HKDF-Expand")
  }

  private func leaf(_ index: Int) -> LeafParameters {
    LeafParameters(
      credential: .basic(identity: Array("member \(index)".utf8)),
      capabilities: Capabilities(cipherSuites: [suite.rawValue], credentials: [.basic]))
  }

  private func bundle(_ index: Int, _ signer: SigningKey) throws -> KeyPackageBundle {
    try KeyPackageBundle.generate(
      cipherSuite: suite, leaf: leaf(index), lifetime: Lifetime(notBefore: 0, notAfter: .max), signer: signer)
  }
}

/// Takes every credential: what an application thinks of one is not measured.
struct Anyone: CredentialValidator {
  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { true }
  func sameIdentity(old: Credential, new: Credential) -> Bool { true }
}
