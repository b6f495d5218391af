import CryptoSuite
import Foundation
public import MailboxEngine
import SottoProtocol
import WireFormat

/// The keys that tokens are signed with, beside the server's long-lived ones: they change by the quarter, and losing them costs
/// nothing but the tokens that are not spent.
enum IssuerFile {
  private static let version: UInt8 = 2
  private static let checkByteCount = 4
  /// Four keys of about 1,200 bytes.
  private static let limit = 16_384

  /// - Returns: the keys, and whether some were made that are not in the file yet: version 1 had one for all tokens, which goes on as
  ///   that of common ones.
  static func read(_ path: String) throws(ServerStorageError) -> (keys: [QuarterKeys], isChanged: Bool) {
    let bytes = try PrivateFiles.readPrivate(path, limit: limit)
    let body = Array(bytes.dropLast(checkByteCount))
    guard Array(bytes.suffix(checkByteCount)) == Array(HashAlgorithm.sha256.hash(body).prefix(checkByteCount)) else {
      throw .issuerDamaged
    }
    do {
      var reader = ByteReader(body.span)
      let found = try reader.readUInt8()
      guard (1...version).contains(found) else { throw ServerStorageError.issuerDamaged }
      var keys: [QuarterKeys] = []
      for _ in 0..<(try reader.readUInt8()) {
        let quarter = try reader.readUInt32()
        let entry = found == 1 ? try BlindSignatureKey.generate() : try BlindSignatureKey(derBytes: try reader.readSecret(limit: limit))
        let common = try BlindSignatureKey(derBytes: try reader.readSecret(limit: limit))
        keys.append(try QuarterKeys(entry: entry, common: common, quarter: quarter))
      }
      try reader.finish()
      return (keys, found != version)
    } catch { throw .issuerDamaged }
  }

  static func write(_ keys: [QuarterKeys], to path: String) throws(ServerStorageError) {
    var writer = ByteWriter(secretCapacity: limit)
    writer.write(version)
    writer.write(UInt8(clamping: keys.count))
    for key in keys {
      writer.write(key.quarter)
      writer.writeVector(key[.entry].derBytes)
      writer.writeVector(key[.common].derBytes)
    }
    try PrivateFiles.replace(path, with: writer.bytes + HashAlgorithm.sha256.hash(writer.bytes).prefix(checkByteCount))
  }
}

extension ServerDirectory {
  /// The keys that sign tokens today; a new quarter's are made, and written, when there are none yet.
  ///
  /// On a full disk those that stand go on: new ones are made when they can be kept.
  ///
  /// - Throws: `.diskFull` where none can be used as they stand, `.issuerDamaged` for a file that was changed, `.keysExposed` for one that others may read. It may be deleted: then tokens that were not spent are refused, and
  ///   clients have new ones signed; who has redeemed a voucher and not registered needs another one.
  public func issuerKeys(today: Day) throws(ServerStorageError) -> [QuarterKeys] {
    let (found, isChanged) = PrivateFiles.exists(issuerFile) ? try IssuerFile.read(issuerFile) : ([], false)
    var keys = found.filter { today < $0.ends }
    let quarter = QuarterKeys.quarter(of: today)
    // Keys of a later quarter, made when the clock was wrong, sign until then.
    let isMissing = !keys.contains { $0.quarter >= quarter }
    if isMissing {
      do {
        keys.insert(try QuarterKeys(entry: BlindSignatureKey.generate(), common: BlindSignatureKey.generate(), quarter: quarter), at: 0)
      } catch { throw .system(errno: ENOMEM) }
    }
    if isMissing || isChanged {
      do throws(ServerStorageError) { try IssuerFile.write(keys, to: issuerFile) } catch {
        let standing = isChanged ? [] : found.filter { today < $0.ends }
        // Without any the server could not say who it is.
        guard error == .diskFull, !standing.isEmpty else { throw error }
        return standing
      }
    }
    return keys
  }
}
