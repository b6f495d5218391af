import CryptoSuite
import Foundation
import SottoProtocol
import WireFormat

/// How long refusals take side by side: of something that is there, and of something that is not. Whoever could tell the two
/// apart would learn what exists.
///
/// Pairs come in random order over connections of many addresses to a server on the same machine that does nothing else: nobody
/// on the network measures better.
struct RefusalTiming {
  private struct Pair {
    var name: String
    var there: String
    var absent: String
    var count = 4_000
    /// Requests that one answer refuses, and that answer.
    var make: (_ isThere: Bool) throws -> Request
    var answer: Answer
  }

  private static let mailboxCount = 4_096
  private static let clientCount = 64

  private let server: ServerUnderTest
  private let random = SystemRandom()

  static func run(_ report: inout Report, isQuick: Bool) async throws {
    let path = FileManager.default.temporaryDirectory.path + "/sotto-timing-\(UInt64.random(in: 0...UInt64.max))"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let process = try ServerProcess(world: try await WorldMaker.make(directory: path, mailboxCount: mailboxCount))
    defer { process.stop() }
    let timing = RefusalTiming(server: process.server)
    var table = Table(
      title: "Refusals",
      columns: [
        "request", "refused for", "or for", "calls of each", "median, us", "or", "chance that the first takes longer", "by chance alone",
      ])
    for pair in try timing.pairs() { table.rows.append(try await timing.measure(pair, isQuick: isQuick)) }
    table.rows.append(try await timing.measureAttach(isQuick ? 100 : 500))
    report.add(table)
  }

  private func pairs() throws -> [Pair] {
    let world = server.world
    let frame = [UInt8](repeating: 1, count: 512)
    guard let log = HandleID(world.log), let capability = Permission(world.capability), let voucher = Permission(world.voucher),
      let issuerKeys = try? IssuerKeys(decoding: world.issuerKeys), let spent = try? Token(decoding: world.token),
      let common = try? Token(decoding: world.commonToken), let unfinished = Permission(world.unfinishedFile),
      let anyKey = PublicKey32(SignatureAlgorithm.ed25519.generateKey().publicKey)
    else { throw BenchmarkError.refused }
    let administrator = SignatureAlgorithm.ed25519.generateKey()
    let blinded = try BlindedToken(issuer: issuerKeys.entry, random: random).blinded
    func register(_ token: Token?) -> Request {
      .register(
        token: token ?? Token(id: .random(using: random), signature: BlindNumber(trusted: [0] + random.bytes(255))),
        mailbox: .random(using: random), ownerKey: anyKey, sealKey: anyKey)
    }
    func recipient(_ isThere: Bool, _ index: Int) throws -> Recipient {
      Recipient(mailbox: isThere ? try world.recipient(index).mailbox : .random(using: random), deliveryKey: .random(using: random))
    }
    return [
      Pair(
        name: "send", there: "a wrong delivery key", absent: "an unknown mailbox",
        make: { isThere in
          .send(id: .random(using: random), frame: frame, recipients: [try recipient(isThere, .random(in: 0..<Self.mailboxCount))])
        }, answer: .sent([.refused])),
      Pair(
        name: "send to one mailbox 256 times", there: "a wrong delivery key", absent: "an unknown mailbox", count: 500,
        make: { isThere in
          let mailbox = try recipient(isThere, .random(in: 0..<Self.mailboxCount)).mailbox
          return .send(
            id: .random(using: random), frame: frame,
            recipients: (0..<256).map { _ in Recipient(mailbox: mailbox, deliveryKey: .random(using: random)) })
        }, answer: .sent([RecipientAnswer](repeating: .refused, count: 256))),
      Pair(
        name: "append", there: "a wrong write key", absent: "an unknown log",
        make: { isThere in
          .append(
            LogAppend(
              handle: isThere ? log : .random(using: random), slot: 0, writeKey: .random(using: random), entry: frame, rotation: nil,
              groupInfo: [], recipients: []))
        }, answer: .refused),
      Pair(
        name: "rotate", there: "no administrator", absent: "an unknown log", count: 2_000,
        make: { isThere in
          let handle = isThere ? log : HandleID.random(using: random)
          return .rotate(
            handle: handle, slot: 0,
            rotation: try Rotation(
              handle: handle, slot: 0, writeKeyHash: .random(using: random), administratorKeys: [anyKey], entry: [], signer: administrator))
        }, answer: .refused),
      Pair(
        name: "group_info", there: "a log without one", absent: "an unknown log",
        make: { isThere in
          .groupInfo(handle: isThere ? log : .random(using: random))
        }, answer: .refused),
      Pair(
        name: "claim", there: "a capability of which all is taken", absent: "an unknown capability",
        make: { isThere in
          .claim(capability: isThere ? capability : .random(using: random), id: .random(using: random))
        }, answer: .refused),
      Pair(
        name: "redeem", there: "a used voucher", absent: "an unknown voucher",
        make: { isThere in
          .redeem(voucher: isThere ? voucher : .random(using: random), issuerKey: issuerKeys.hash, blinded: [blinded])
        }, answer: .refused),
      Pair(
        name: "register", there: "a spent token", absent: "a forged token", count: 2_000,
        make: { isThere in register(isThere ? spent : nil) }, answer: .tokenRefused),
      Pair(
        name: "register", there: "a common token", absent: "a forged token", count: 2_000,
        make: { isThere in register(isThere ? common : nil) }, answer: .tokenRefused),
      Pair(
        name: "read of a file", there: "an unfinished file", absent: "an unknown file",
        make: { isThere in
          .object(.read((isThere ? unfinished : .random(using: random)).objectID, offset: 0, count: 65_536))
        }, answer: .refused),
    ]
  }

  private func measure(_ pair: Pair, isQuick: Bool) async throws -> [String] {
    var clients: [BenchClient] = []
    let base = Int.random(in: 0..<40_000)
    for index in 0..<Self.clientCount { clients.append(try await server.connect(Loopback.address(30, base + index))) }
    for client in clients { _ = try await client.exchange(BenchClient.request([], path: "/v1/health")) }
    let count = isQuick ? pair.count / 10 : pair.count
    var times: (there: [Double], absent: [Double]) = ([], [])
    for index in 0..<count + 50 {
      let client = clients[index % clients.count]
      for isThere in Bool.random() ? [true, false] : [false, true] {
        let request = BenchClient.request(try pair.make(isThere).encoded)
        let start = wallNanoseconds()
        let reply = try await client.exchange(request)
        let time = (wallNanoseconds() - start) / 1e3
        guard reply.status == 200, try Answer(decoding: reply.body) == pair.answer else { throw BenchmarkError.refused }
        // The first ones find nothing prepared.
        guard index >= 50 else { continue }
        if isThere { times.there.append(time) } else { times.absent.append(time) }
      }
    }
    for client in clients { await client.close() }
    return row(pair.name, pair.there, pair.absent, times.there, times.absent)
  }

  private func row(_ name: String, _ there: String, _ absent: String, _ left: [Double], _ right: [Double]) -> [String] {
    [
      name, there, absent, Report.grouped(left.count), Report.text(Statistics.median(left)), Report.text(Statistics.median(right)),
      Report.thousandths(Statistics.chanceOfLarger(left, than: right)),
      "0.5 ± \(Report.thousandths(Statistics.noise(left.count, right.count)))",
    ]
  }

  /// A stream that is refused ends, so each needs a connection of its own.
  private func measureAttach(_ count: Int) async throws -> [String] {
    var times: (there: [Double], absent: [Double]) = ([], [])
    let stranger = SignatureAlgorithm.ed25519.generateKey()
    for index in 0..<count {
      for isThere in Bool.random() ? [true, false] : [false, true] {
        let client = try await server.connect(Loopback.address(31, index))
        try await client.upgrade()
        let mailbox = isThere ? try server.world.recipient(index).mailbox : MailboxID.random(using: random)
        let message = try await server.attachMessage(client, mailbox) { try stranger.sign($0) }
        let start = wallNanoseconds()
        client.sendMessage(message)
        guard let answer = try await client.message(), case .refused = try ServerMessage(decoding: answer) else {
          throw BenchmarkError.refused
        }
        let time = (wallNanoseconds() - start) / 1e3
        if isThere { times.there.append(time) } else { times.absent.append(time) }
        await client.close()
      }
    }
    return row("attach", "a wrong signature", "an unknown mailbox", times.there, times.absent)
  }
}
