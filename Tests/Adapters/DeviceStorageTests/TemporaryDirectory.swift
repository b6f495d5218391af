import ConversationEngine
import CryptoSuite
import DeviceStorage
import Foundation
import SottoProtocol

/// A directory that is gone with the value.
final class TemporaryDirectory {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("sotto-" + UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  /// All bytes of all files below.
  func allBytes() throws -> [UInt8] {
    guard let enumerator = FileManager.default.enumerator(atPath: path) else { return [] }
    var bytes: [UInt8] = []
    for case let name as String in enumerator {
      if let data = FileManager.default.contents(atPath: path + "/" + name) { bytes += data }
    }
    return bytes
  }
}

/// Cheap enough for tests; what it protects is worth nothing.
let cheap = PassphraseCost(logN: 4, blockSize: 1, parallelism: 1)
let passphrase = DeviceKey.passphrase(Secret(Array("correct horse".utf8)))

func conversation(_ byte: UInt8) -> ConversationID { ConversationID(trusted: [UInt8](repeating: byte, count: 16)) }

extension DeviceTransaction {
  static func writing(_ records: [RecordKey: [UInt8]?]) -> DeviceTransaction {
    var transaction = DeviceTransaction()
    transaction.records = records
    return transaction
  }

  static func appending(_ value: [UInt8], to conversation: ConversationID, at position: UInt64) -> DeviceTransaction {
    var transaction = DeviceTransaction()
    transaction.history = [(conversation: conversation, position: position, value: value)]
    return transaction
  }
}

extension Sequence<UInt8> {
  /// Whether these bytes stand somewhere in it.
  func holds(_ needle: [UInt8]) -> Bool {
    Data(Array(self)).range(of: Data(needle)) != nil
  }
}
