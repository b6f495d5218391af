import ConversationEngine
import CryptoSuite
import WireFormat

/// Turns what the engine stores into rows that show neither names nor values, and back.
///
/// A row's name is an HMAC, its value is sealed with AES-256-GCM under a random nonce, with the row's name as associated
/// data, so that no value can be put in another's place. Lengths are rounded up.
struct RowSeal: Sendable {
  /// A sealed row of the table of records.
  struct Row: Sendable, Equatable {
    /// HMAC of kind and name, 32 bytes.
    var name: [UInt8]
    /// HMAC of the kind, 16 bytes: finds the rows of one kind, and does not say which.
    var kind: [UInt8]
    /// Of the key it is sealed under.
    var generation: UInt64
    var sealed: [UInt8]
  }

  /// The application's own notes stand beside the engine's records.
  static let noteKind: UInt8 = 255

  /// Plaintexts are filled up to a multiple of so many bytes: the length of a row says little of the length of a text.
  private static let paddingByteCount = 64
  private static let nonceByteCount = 12

  let keys: ProfileKeys
  let random: any RandomSource

  func name(kind: UInt8, name: [UInt8]) -> [UInt8] {
    HashAlgorithm.sha256.hmac(key: keys.names, Array("record".utf8) + [kind] + name)
  }

  func kindTag(_ kind: UInt8) -> [UInt8] {
    Array(HashAlgorithm.sha256.hmac(key: keys.names, Array("kind".utf8) + [kind]).prefix(16))
  }

  func conversationTag(_ conversation: ConversationID) -> [UInt8] {
    Array(HashAlgorithm.sha256.hmac(key: keys.names, Array("history".utf8) + conversation.bytes).prefix(16))
  }

  func seal(kind: UInt8, name: [UInt8], value: [UInt8], erasable: Bool) throws(DeviceStoreError) -> Row {
    let rowName = self.name(kind: kind, name: name)
    guard let erasure = keys.current else { throw .unreadable }
    var writer = ByteWriter(capacity: name.count + value.count + 2 * RowSeal.paddingByteCount)
    writer.writeVector(name)
    writer.writeVector(value)
    let sealed = try seal(writer.bytes, key: erasable ? erasure.key : keys.lasting, data: rowName)
    return Row(name: rowName, kind: kindTag(kind), generation: erasable ? erasure.generation : 0, sealed: sealed)
  }

  /// The engine's name of a row, and its value.
  func open(_ row: Row) throws(DeviceStoreError) -> (name: [UInt8], value: [UInt8]) {
    guard let key = keys.key(ofGeneration: row.generation) else { throw .unreadable }
    return try fields(of: open(row.sealed, key: key, data: row.name))
  }

  /// The same row under the newest erasure key; nil when it is already, or need not be.
  func resealed(_ row: Row) throws(DeviceStoreError) -> Row? {
    guard let erasure = keys.current, let key = keys.key(ofGeneration: row.generation) else { throw .unreadable }
    guard row.generation != 0, row.generation != erasure.generation else { return nil }
    var fresh = row
    fresh.generation = erasure.generation
    fresh.sealed = try seal(open(row.sealed, key: key, data: row.name), key: erasure.key, data: row.name)
    return fresh
  }

  func sealHistory(_ value: [UInt8], tag: [UInt8], position: UInt64) throws(DeviceStoreError) -> [UInt8] {
    var writer = ByteWriter(capacity: value.count + RowSeal.paddingByteCount)
    writer.writeVector([])
    writer.writeVector(value)
    return try seal(writer.bytes, key: keys.lasting, data: historyData(tag, position))
  }

  func openHistory(_ sealed: [UInt8], tag: [UInt8], position: UInt64) throws(DeviceStoreError) -> [UInt8] {
    try fields(of: open(sealed, key: keys.lasting, data: historyData(tag, position))).value
  }

  private func historyData(_ tag: [UInt8], _ position: UInt64) -> [UInt8] {
    var writer = ByteWriter()
    writer.writeBytes(tag)
    writer.write(position)
    return writer.bytes
  }

  private func fields(of plaintext: [UInt8]) throws(DeviceStoreError) -> (name: [UInt8], value: [UInt8]) {
    do {
      var reader = ByteReader(plaintext.span)
      return (try reader.readVector(), try reader.readVector())
    } catch { throw .unreadable }
  }

  /// `nonce | ciphertext` over the padded plaintext. Random nonces suffice for 2^32 rows of one key.
  private func seal(_ plaintext: [UInt8], key: Secret, data: [UInt8]) throws(DeviceStoreError) -> [UInt8] {
    let excess = plaintext.count % RowSeal.paddingByteCount
    let padding = excess == 0 ? 0 : RowSeal.paddingByteCount - excess
    let nonce = random.bytes(RowSeal.nonceByteCount)
    do {
      return nonce
        + (try AEADAlgorithm.aes256GCM.seal(
          plaintext + [UInt8](repeating: 0, count: padding), key: key, nonce: nonce, aad: data))
    } catch { throw .unavailable }
  }

  private func open(_ sealed: [UInt8], key: Secret, data: [UInt8]) throws(DeviceStoreError) -> [UInt8] {
    guard sealed.count > RowSeal.nonceByteCount else { throw .unreadable }
    do {
      return try AEADAlgorithm.aes256GCM.open(
        Array(sealed.dropFirst(RowSeal.nonceByteCount)), key: key, nonce: Array(sealed.prefix(RowSeal.nonceByteCount)),
        aad: data)
    } catch { throw .unreadable }
  }
}
