import CryptoSuite
import Foundation
import SottoProtocol

/// What a message costs at least, in nanoseconds of CPU.
struct ServerFloors {
  /// One HPKE seal of the frame.
  let seal: Double
  /// One row in a transaction of two hundred, flushed.
  let insert: Double
  /// The frame through the AEAD of TLS once, an answer's smallest record, and the two system calls without which neither moves.
  let record: Double

  init(frame: [UInt8]) throws {
    let random = SystemRandom()
    let pair = FirstContact.suite.generateKeyPair()
    seal = try best { keep(try FirstContact.suite.seal(frame, to: pair.publicKey, info: [1], aad: random.bytes(16))) }
    let path = FileManager.default.temporaryDirectory.path + "/sotto-floor-\(UInt64.random(in: 0...UInt64.max)).sqlite"
    defer { for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) } }
    let raw = try RawInserts(path: path)
    var inserts: [Double] = []
    for _ in 0..<5 {
      let start = processNanoseconds()
      _ = try raw.insert(2_000, batch: 200)
      inserts.append((processNanoseconds() - start) / 2_000)
    }
    insert = inserts.min() ?? 0
    let key = Secret(randomByteCount: 16, using: random)
    let nonce = random.bytes(12)
    let record = try AEADAlgorithm.aes128GCM.seal(frame, key: key, nonce: nonce, aad: [])
    let small = [UInt8](repeating: 1, count: 100)
    let sealing = try best {
      keep(try AEADAlgorithm.aes128GCM.open(record, key: key, nonce: nonce, aad: []))
      keep(try AEADAlgorithm.aes128GCM.seal(small, key: key, nonce: nonce, aad: []))
    }
    self.record = sealing + (try SocketExchange.nanoseconds(requestByteCount: record.count, replyByteCount: small.count))
  }

  /// Of one message to one recipient.
  var message: Double { seal + insert + record }
  static let messageNote = "1 HPKE seal, 1 row of a batched insert, 1 TLS record each way"

  func report(to report: inout Report) {
    report.add("tls", "floor: HPKE seal of 2 KiB", size: 1, seal / 1e3, "us")
    report.add("tls", "floor: row of a batched insert", size: 1, insert / 1e3, "us")
    report.add("tls", "floor: TLS record each way", size: 1, record / 1e3, "us")
  }
}
