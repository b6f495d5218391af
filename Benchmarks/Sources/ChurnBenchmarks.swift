import CryptoSuite
import MLS
import MLSTesting

/// How many bytes a commit has in a group of 5,000 whose members come and go, by who commits that.
enum ChurnBenchmarks {
  private static let suite = CipherSuite.mls128X25519AES128SHA256Ed25519
  private static let count = 5_000

  static func run(_ report: inout Report) throws {
    let world = try GroupWorld(suite: suite, count: count, milestones: [])
    try oneHost(world, &report)
    try joinersThemselves(world, &report)
  }

  /// One member commits all changes: ten join and ten random others leave each time, until as many have come as there are.
  private static func oneHost(_ start: GroupWorld, _ report: inout Report) throws {
    var world = start
    let host = world.founder.ownLeafIndex
    var crowd = world.churned
    var members = crowd.leaves.filter { $0 != host }
    var sizes: [Double] = []
    let rounds = count / 10
    for round in 0..<rounds {
      let signers = (0..<10).map { _ in suite.signature.generateKey() }
      let bundles = try signers.enumerated().map { try GroupWorld.bundle(count + 10 * round + $0, $1, suite) }
      members.shuffle(using: &world.random)
      let plan = CommitPlan(
        adds: bundles.map(\.keyPackage), removes: Array(members.prefix(10)), ratchetTreeInWelcome: false)
      let commit = try world.commit(by: host, in: crowd, plan)
      let message = commit.message { crowd.adopt($0, newcomers: zip(bundles, signers).map { ($0.leafKey, $1) }) }
      members = Array(members.dropFirst(10)) + commit.changes.added.map(\.leafIndex)
      sizes.append(Double(message.count))
    }
    let last = sizes.suffix(rounds / 10)
    report.add("mls", "commit, one host commits all", size: count, last.reduce(0, +) / Double(last.count), "bytes")
  }

  /// Whoever joins commits itself in, and with it whoever has asked to leave since the last commit: one comes, one goes.
  private static func joinersThemselves(_ start: GroupWorld, _ report: inout Report) throws {
    var world = start
    var crowd = world.churned
    var sizes: [Double] = []
    // Each joiner checks the whole tree, which takes a third of a second.
    let rounds = 200
    for round in 0..<rounds {
      guard let leaving = crowd.leaves.randomElement(using: &world.random), let member = crowd.member(at: leaving),
        let signer = crowd.signer(of: leaving)
      else { throw MLSError.invalidSender }
      let info = try member.groupInfo(signer: signer)
      // Who leaves needs no state any more.
      let proposal = try member.proposeSelfRemove(signer: signer).message { _ in }
      let newSigner = suite.signature.generateKey()
      let commit = try Group.joinExternally(
        groupInfo: info, leaf: GroupWorld.leaf(count + round, suite), signer: newSigner, selfRemoves: [proposal],
        validator: Anyone(), workers: AllCores())
      let message = commit.message { crowd.adopt($0, newcomers: [(nil, newSigner)]) }
      sizes.append(Double(message.count))
    }
    let last = sizes.suffix(rounds / 4)
    report.add("mls", "commit, joiners commit joins and leaves", size: count, last.reduce(0, +) / Double(last.count), "bytes")
  }
}
