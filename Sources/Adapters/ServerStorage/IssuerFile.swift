import CryptoSuite
import Foundation
public import MailboxEngine
import WireFormat

/// The keys that tokens are signed with, beside the server's long-lived ones: they change by the quarter, and losing them costs
/// nothing but the tokens that are not spent.
enum IssuerFile {
  private static let version: UInt8 = 1
  private static let checkByteCount = 4
  /// Two keys of about 1,200 bytes.
  private static let limit = 16_384

  static func read(_ path: String) throws(ServerStorageError) -> [IssuerKeyPair] {
    let bytes = try PrivateFiles.readPrivate(path, limit: limit)
    let body = Array(bytes.dropLast(checkByteCount))
    guard Array(bytes.suffix(checkByteCount)) == Array(HashAlgorithm.sha256.hash(body).prefix(checkByteCount)) else {
      throw .issuerDamaged
    }
    do {
      var reader = ByteReader(body.span)
      guard try reader.readUInt8() == version else { throw ServerStorageError.issuerDamaged }
      var keys: [IssuerKeyPair] = []
      for _ in 0..<(try reader.readUInt8()) {
        let quarter = try reader.readUInt32()
        keys.append(try IssuerKeyPair(BlindSignatureKey(derBytes: try reader.readSecret(limit: limit)), quarter: quarter))
      }
      try reader.finish()
      return keys
    } catch { throw .issuerDamaged }
  }

  static func write(_ keys: [IssuerKeyPair], to path: String) throws(ServerStorageError) {
    var writer = ByteWriter(secretCapacity: 4_096)
    writer.write(version)
    writer.write(UInt8(clamping: keys.count))
    for key in keys {
      writer.write(key.quarter)
      writer.writeVector(key.derBytes)
    }
    try PrivateFiles.replace(path, with: writer.bytes + HashAlgorithm.sha256.hash(writer.bytes).prefix(checkByteCount))
  }
}

extension ServerDirectory {
  /// The keys that sign tokens today; a new quarter's is made, and written, when there is none yet.
  ///
  /// - Throws: `.issuerDamaged` for a file that was changed, `.keysExposed` for one that others may read. It may be deleted: then tokens that were not spent are refused, and
  ///   clients have new ones signed.
  public func issuerKeys(today: Day) throws(ServerStorageError) -> [IssuerKeyPair] {
    let standing = PrivateFiles.exists(issuerFile) ? try IssuerFile.read(issuerFile).filter { today < $0.ends } : []
    let quarter = IssuerKeyPair.quarter(of: today)
    // A key of a later quarter, made when the clock was wrong, signs until then.
    if standing.contains(where: { $0.quarter >= quarter }) { return standing }
    let new: IssuerKeyPair
    do { new = try IssuerKeyPair(BlindSignatureKey.generate(), quarter: quarter) } catch { throw .system(errno: ENOMEM) }
    let keys = [new] + standing
    try IssuerFile.write(keys, to: issuerFile)
    return keys
  }
}
