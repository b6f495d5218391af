import CryptoSuite
import MLS
import MLSTesting
import WireFormat

/// A group of N members: what it costs its creator, a newcomer, and everybody whenever somebody commits or writes.
struct GroupBenchmarks {
  private let area: String
  private let world: GroupWorld
  /// Who commits and who follows, in the churned group; the same in every pass.
  private let pairs: [(committer: LeafIndex, follower: LeafIndex)]
  /// Whose state is weighed, and who adds the latecomer.
  private let bystander: LeafIndex
  /// Added to the churned group by one commit, with the tree in the Welcome and without.
  private let latecomer: KeyPackageBundle
  private let lateWelcome: [UInt8]
  private let annotatedWelcome: [UInt8]

  private var suite: CipherSuite { world.suite }
  private var count: Int { world.count }

  /// - Parameter milestones: after how many members' commits the size of a commit is measured, beside none and half.
  init(area: String, suite: CipherSuite, count: Int, milestones: [Int] = []) throws {
    self.area = area
    var world = try GroupWorld(suite: suite, count: count, milestones: milestones)
    let chosen = world.pick(9)
    bystander = chosen[0]
    pairs = zip(chosen, chosen.dropFirst()).map { ($0, $1) }
    self.world = world
    latecomer = try GroupWorld.bundle(count, suite.signature.generateKey(), suite)
    let withTree = try world.commit(by: bystander, in: world.churned, CommitPlan(adds: [latecomer.keyPackage]))
    lateWelcome = withTree.welcome ?? []
    let withoutTree = try world.commit(
      by: bystander, in: world.churned, CommitPlan(adds: [latecomer.keyPackage], ratchetTreeInWelcome: false))
    annotatedWelcome = try withoutTree.group.annotatedWelcome(withoutTree.welcome ?? [], for: latecomer.keyPackage).encoded
  }

  // MARK: What has no duration

  /// Bytes, memory and allocations, which are the same in every pass.
  func reportSizes(_ report: inout Report) throws {
    try reportPartialSizes(&report)
    func bytes(_ name: String, _ value: Int) { report.add(area, name, size: count, Double(value), "bytes") }
    bytes("Welcome with tree", world.welcome.count)
    for (committed, mean) in world.commitBytes {
      report.add(
        area, committed == count / 2 ? "commit, half have committed" : "commit, \(committed) have committed", size: count, mean, "bytes")
    }
    guard let member = world.churned.member(at: bystander), let bundle = world.bundles.first else { return }
    let archive = member.archive()
    bytes("saved state, public part", archive.publicPart.count)
    bytes("saved state, secret part", archive.secretPart.byteCount)

    let joined = try Heap.measure { try join(world.welcome, bundle) }
    report.add(area, "memory of a state, joined", size: count, Double(joined.liveBytes) / 1_048_576, "MiB")
    let restored = try Heap.measure { try Group(restoring: archive) }
    report.add(area, "memory of a state, restored", size: count, Double(restored.liveBytes) / 1_048_576, "MiB")

    func allocations(_ name: String, _ value: Int) { report.add(area, name, size: count, Double(value), "allocs") }
    allocations("create by one commit", try Heap.measure { try create() }.allocations)
    allocations("join from Welcome and tree", joined.allocations)
    let (committer, follower) = pairs[0]
    let commit = try Heap.measure { try world.commit(by: committer, in: world.churned) }
    allocations("empty commit", commit.allocations)
    guard let follows = world.churned.member(at: follower), let signer = world.churned.signer(of: committer),
      let sender = world.churned.member(at: committer)
    else { return }
    allocations("process such a commit", try Heap.measure { try follow(follows, commit.value.measured) }.allocations)
    // The first message of a sender derives its branch of the secret tree.
    var current = sender
    let first = try current.protect([1], signer: signer).message { current = $0 }
    let text = [UInt8](repeating: 7, count: 1_024)
    let protected = try Heap.measure { try current.protect(text, signer: signer) }
    allocations("protect 1 KiB", protected.allocations)
    let message = protected.value.message { current = $0 }
    guard case .application(_, let reader) = try follows.process(first, validator: Anyone()) else { return }
    allocations("unprotect 1 KiB", try Heap.measure { try reader.process(message, validator: Anyone()) }.allocations)
  }

  /// Of a member who has no tree.
  private func reportPartialSizes(_ report: inout Report) throws {
    let joined = try Heap.measure { try PartialGroup.join(welcome: annotatedWelcome, keyPackage: latecomer, validator: Anyone()).group }
    report.add(area, "partial member: annotated Welcome", size: count, Double(annotatedWelcome.count), "bytes")
    report.add(area, "partial member: memory of a state", size: count, Double(joined.liveBytes), "bytes")
    var sum = 0
    for (committer, follower) in pairs {
      let commit = try world.commit(by: committer, in: world.churned)
      guard let before = world.churned.member(at: committer) else { throw MLSError.invalidSender }
      sum += try before.annotator(for: commit.measured, commit).annotated(for: follower).encoded.count
    }
    report.add(area, "partial member: annotated commit", size: count, Double(sum) / Double(pairs.count), "bytes")
  }

  // MARK: What takes time

  /// One pass over everything that takes time.
  func reportTimes(_ floors: Floors, _ report: inout Report) throws {
    let newcomers = Double(count - 1)
    for _ in 0..<(count > 500 ? 1 : 5) {
      // A newcomer costs the signatures of its leaf and its key package, and one seal in the Welcome.
      let (created, verify, seal) = try beside(floors) { keep(try create()) }
      add(
        "create by one commit", created, newcomers * (2 * verify + seal) + 3 * floors.sign, "2 verifications, 1 seal a member", &report)
    }
    guard let bundle = world.bundles.first else { return }
    for (name, welcome, bundle) in [
      ("join from Welcome and tree", world.welcome, bundle), ("join when half have committed", lateWelcome, latecomer),
    ] {
      for _ in 0..<(count > 500 ? 2 : 9) {
        let (joined, verify, _) = try beside(floors) { keep(try join(welcome, bundle)) }
        add(
          name, joined, Double(count + 1) * verify + 2 * floors.open + Double(2 * count) * floors.hash, "1 verification a member, 2 hashes",
          &report)
      }
    }
    add(
      "partial member: join",
      try best(samples: 25, calls: 1) {
        keep(try PartialGroup.join(welcome: annotatedWelcome, keyPackage: latecomer, validator: Anyone()))
      }, 3 * floors.verify + floors.open, "3 verifications, 1 open", &report)
    if count >= 1_000 { try joinOnAllCores(bundle, &report) }
    try commits(floors, &report)
    try messages(floors, &report)
  }

  /// Times one long call, and before and after it the operations that it cannot avoid.
  private func beside(_ floors: Floors, _ body: () throws -> Void) throws -> (time: Double, verify: Double, seal: Double) {
    let number = max(5, min(count, 500))
    let (verifyBefore, sealBefore) = (floors.sustainedVerify(number), try floors.sustainedSeal(number))
    let time = try once(body)
    let (verifyAfter, sealAfter) = (floors.sustainedVerify(number), try floors.sustainedSeal(number))
    return (time, (verifyBefore + verifyAfter) / 2, (sealBefore + sealAfter) / 2)
  }

  private func joinOnAllCores(_ bundle: KeyPackageBundle, _ report: inout Report) throws {
    for _ in 0..<2 {
      let (cpu, wall) = (processNanoseconds(), wallNanoseconds())
      keep(try Group.join(welcome: world.welcome, keyPackage: bundle, validator: Anyone(), workers: AllCores()))
      report.add(area, "join on all cores, on the wall", size: count, (wallNanoseconds() - wall) / 1e6, "ms")
      report.add(area, "join on all cores, CPU", size: count, (processNanoseconds() - cpu) / 1e6, "ms")
    }
  }

  private func add(_ name: String, _ time: Double, _ floor: Double, _ note: String, _ report: inout Report) {
    report.add(area, name, size: count, time / 1e6, "ms", floor: floor / 1e6, of: note)
  }

  private func commits(_ floors: Floors, _ report: inout Report) throws {
    var (commitTime, commitFloor, processTime, processFloor) = (0.0, 0.0, 0.0, 0.0)
    var (partialTime, partialFloor) = (0.0, 0.0)
    var seals = 0
    for (committer, follower) in pairs {
      guard let sender = world.churned.member(at: committer), let signer = world.churned.signer(of: committer),
        let receiver = world.churned.member(at: follower)
      else { throw MLSError.invalidSender }
      // Readable, to count the ciphertexts of its path: its seals.
      let readable = try sender.commit(CommitPlan(encrypt: false), signer: signer, validator: Anyone())
      guard case .publicMessage(let message) = try MLSMessage(decoding: readable.measured),
        case .commit(let body) = message.content.body, let path = body.path
      else { throw MLSError.unexpectedMessage }
      let pathSeals = path.nodes.reduce(0) { $0 + $1.encryptedPathSecrets.count }
      seals += pathSeals
      commitTime += try best(samples: 5, calls: 1) { keep(try sender.commit(CommitPlan(), signer: signer, validator: Anyone())) }
      commitFloor += Double(pathSeals) * floors.seal + Double(path.nodes.count + 1) * floors.makeKeyPair + 2 * floors.sign

      let commit = try sender.commit(CommitPlan(), signer: signer, validator: Anyone())
      let sent = commit.measured
      let after = try follow(receiver, sent)
      let derived = Crowd.newKeyCount(from: receiver, to: after)
      processTime += try best(samples: 5, calls: 1) { keep(try follow(receiver, sent)) }
      processFloor += 2 * floors.verify + floors.open + Double(derived) * floors.makeKeyPair

      let partial = receiver.downgraded()
      let annotated = try sender.annotator(for: sent, commit).annotated(for: follower)
      partialTime += try best(samples: 5, calls: 1) { keep(try partial.process(annotated, validator: Anyone())) }
      partialFloor += 3 * floors.verify + floors.open + Double(derived) * floors.makeKeyPair
    }
    let number = Double(pairs.count)
    add(
      "empty commit", commitTime / number, commitFloor / number, "its seals, a key pair a node and 1 more, 2 signatures", &report)
    report.add(area, "seals of an empty commit", size: count, Double(seals) / number, "seals")
    add(
      "process such a commit", processTime / number, processFloor / number,
      "2 verifications, 1 open, a key pair a node above both", &report)
    add(
      "partial member: process such a commit", partialTime / number, partialFloor / number,
      "3 verifications, 1 open, a key pair a node above both", &report)
  }

  private func messages(_ floors: Floors, _ report: inout Report) throws {
    let (from, to) = pairs[0]
    guard var sender = world.churned.member(at: from), let signer = world.churned.signer(of: from),
      var receiver = world.churned.member(at: to)
    else { throw MLSError.invalidSender }
    let text = [UInt8](repeating: 7, count: 1_024)
    var sent: [[UInt8]] = []
    let protectTime = try best(samples: 25, calls: 50) {
      sent.append(try sender.protect(text, signer: signer).message { sender = $0 })
    }
    let protectFloor = floors.sign + floors.sealKibibyte + 4 * floors.expand
    report.add(
      area, "protect 1 KiB", size: count, protectTime / 1e3, "us", floor: protectFloor / 1e3, of: "1 signature, 1 AEAD, 4 HKDF-Expand")
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

  // MARK: Operations

  private func create() throws -> OutgoingCommit {
    try world.founder.commit(
      CommitPlan(adds: world.bundles.map(\.keyPackage)), signer: world.founderSigner, validator: Anyone())
  }

  private func join(_ welcome: [UInt8], _ bundle: KeyPackageBundle) throws -> Group {
    try Group.join(welcome: welcome, keyPackage: bundle, validator: Anyone()).group
  }

  private func follow(_ group: Group, _ message: [UInt8]) throws -> Group {
    guard case .commit(let received) = try group.process(message, validator: Anyone()), let next = received.group else {
      throw MLSError.unexpectedMessage
    }
    return next
  }
}
