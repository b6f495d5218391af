import CryptoSuite
import WireFormat

extension PrivateMessage {
  /// Encrypts signed content (RFC 9420 §6.3).
  ///
  /// - Parameters:
  ///   - sender: the member who signed it.
  ///   - padding: zero bytes to add, which hide the length.
  ///   - reuseGuard: four random bytes, so that a state restored by mistake does not use a nonce twice.
  init(
    protecting authenticated: AuthenticatedContent, sender: LeafIndex, generation: UInt32, key: MessageKey,
    senderDataSecret: Secret, padding: Int, reuseGuard: [UInt8], suite: CipherSuite
  ) throws(MLSError) {
    var plaintext = PrivateMessage.content(of: authenticated, padding: padding)
    defer { plaintext.wipe() }
    let senderData = SenderData(leafIndex: sender, generation: generation, reuseGuard: reuseGuard)
    try self.init(
      sealing: plaintext, of: authenticated.content, senderData: senderData, key: key,
      senderDataSecret: senderDataSecret, suite: suite)
  }

  /// `PrivateMessageContent` (RFC 9420 §6.3.1).
  private static func content(of authenticated: AuthenticatedContent, padding: Int) -> [UInt8] {
    var capacity = 1024
    if case .application(let data) = authenticated.content.body { capacity = 256 + data.count + max(0, padding) }
    var writer = ByteWriter(secretCapacity: capacity)
    authenticated.content.body.encodeUntyped(into: &writer)
    authenticated.auth.encode(into: &writer)
    writer.writeBytes([UInt8](repeating: 0, count: max(0, padding)))
    return writer.bytes
  }

  /// - Parameter plaintext: an encoded `PrivateMessageContent` (RFC 9420 §6.3.1).
  init(
    sealing plaintext: [UInt8], of content: FramedContent, senderData: SenderData, key: MessageKey,
    senderDataSecret: Secret, suite: CipherSuite
  ) throws(MLSError) {
    self.init(
      groupID: content.groupID, epoch: content.epoch, contentType: content.contentType,
      authenticatedData: content.authenticatedData, encryptedSenderData: [], ciphertext: [])
    do {
      ciphertext = try suite.aead.seal(
        plaintext, key: key.key, nonce: key.nonce.xoringPrefix(with: senderData.reuseGuard), aad: contentAAD)
      let (dataKey, dataNonce) = senderDataKey(senderDataSecret, suite)
      encryptedSenderData = try suite.aead.seal(
        senderData.encoded, key: dataKey, nonce: dataNonce, aad: senderDataAAD)
    } catch {
      throw .crypto(error)
    }
  }

  /// Who sent the message, and which key opens it (RFC 9420 §6.3.2).
  func senderData(_ senderDataSecret: Secret, _ suite: CipherSuite) throws(MLSError) -> SenderData {
    let (key, nonce) = senderDataKey(senderDataSecret, suite)
    let plaintext: [UInt8]
    do {
      plaintext = try suite.aead.open(encryptedSenderData, key: key, nonce: nonce, aad: senderDataAAD)
    } catch {
      throw .crypto(error)
    }
    do { return try SenderData(decoding: plaintext) } catch { throw .malformed(error) }
  }

  /// Decrypts the content; its signature is still to be checked.
  func unprotected(
    _ senderData: SenderData, key: MessageKey, suite: CipherSuite
  ) throws(MLSError) -> AuthenticatedContent {
    var plaintext: [UInt8]
    do {
      plaintext = try suite.aead.open(
        ciphertext, key: key.key, nonce: key.nonce.xoringPrefix(with: senderData.reuseGuard), aad: contentAAD)
    } catch {
      throw .crypto(error)
    }
    defer { plaintext.wipe() }
    let body: FramedContent.Body
    let auth: FramedContentAuthData
    let padding: [UInt8]
    do {
      var reader = ByteReader(plaintext.span)
      body = try FramedContent.Body(contentType, from: &reader)
      auth = try FramedContentAuthData(for: contentType, from: &reader)
      padding = reader.readRemaining()
    } catch {
      throw .malformed(error)
    }
    guard padding.allSatisfy({ $0 == 0 }) else { throw .invalidFraming }
    let content = FramedContent(
      groupID: groupID, epoch: epoch, sender: .member(senderData.leafIndex), authenticatedData: authenticatedData,
      body: body)
    return AuthenticatedContent(format: .privateMessage, content: content, auth: auth)
  }

  /// The sample of the ciphertext makes the key differ for each message (RFC 9420 §6.3.2).
  func senderDataKey(_ secret: Secret, _ suite: CipherSuite) -> (key: Secret, nonce: Secret) {
    let sample = Array(ciphertext.prefix(suite.hash.byteCount))
    let key = suite.expandWithLabel(secret, label: "key", context: sample, count: suite.aead.keyByteCount)
    let nonce = suite.expandWithLabel(secret, label: "nonce", context: sample, count: suite.aead.nonceByteCount)
    return (key, nonce)
  }

  /// `PrivateContentAAD` (RFC 9420 §6.3.1).
  private var contentAAD: [UInt8] {
    var writer = ByteWriter()
    writer.writeVector(groupID)
    writer.write(epoch)
    contentType.encode(into: &writer)
    writer.writeVector(authenticatedData)
    return writer.bytes
  }

  /// `SenderDataAAD` (RFC 9420 §6.3.2).
  private var senderDataAAD: [UInt8] {
    var writer = ByteWriter()
    writer.writeVector(groupID)
    writer.write(epoch)
    contentType.encode(into: &writer)
    return writer.bytes
  }
}
