public import SottoProtocol

/// Files that are sent: the shell moves their bytes, the engine remembers how far it came and sends the message at the end.
extension ConversationEngine {
  /// An upload that was begun and not finished.
  public func upload(of source: String, to conversation: ConversationID) -> Upload? {
    state.uploads[Upload.recordName(source, conversation)]
  }

  /// Begins an upload, with keys of its own, in place of one of the same file that was not finished.
  ///
  /// - Parameters:
  ///   - source: what the shell knows the file by.
  ///   - name: what the others see, 1 to 255 bytes.
  /// - Throws: `.badLength`, `.notActive`, `.unconfirmed`.
  public mutating func beginUpload(
    of source: String, name: String, mediaType: String, byteCount: UInt64, to id: ConversationID, now: UInt64
  ) throws(EngineError) -> Upload {
    try transact { (state) throws(EngineError) in
      guard (1...SottoProtocol.Limits.fileNameByteCount).contains(name.utf8.count) else {
        throw .badLength(byteCount: name.utf8.count, limit: SottoProtocol.Limits.fileNameByteCount)
      }
      try state.requireConfirmed(try state.activeConversation(id))
      for (name, upload) in state.uploads where upload.begunAt + DeviceState.uploadPatience < now { state.setUpload(nil, name) }
      let upload = Upload(
        source: source, name: name, mediaType: mediaType, byteCount: byteCount, conversation: id, random: state.random, now: now)
      state.setUpload(upload, upload.recordName)
      return upload
    }
  }

  /// What an upload pays with. The same tokens are shown until they are refused, so a lost answer costs nothing.
  ///
  /// - Parameter count: what its object costs.
  /// - Returns: nil while there are too few: more are asked for, and the shell asks again.
  /// - Throws: `.noSuchConversation`.
  public mutating func payForUpload(_ upload: Upload, count: Int) throws(EngineError) -> [Token]? {
    guard var standing = state.uploads[upload.recordName], standing.writeKey == upload.writeKey else { throw .notActive }
    if standing.tokens.count == count { return standing.tokens }
    return try transact { (state) throws(EngineError) in
      let server = try state.activeConversation(upload.conversation).context.server.serverKey
      guard var record = state.servers[server] else { throw .noMailbox }
      standing.tokens = []
      standing.wantedTokenCount = count
      if record.tokens.count >= count {
        standing.tokens = record.tokens.suffix(count).map(\.token)
        standing.wantedTokenCount = 0
        record.tokens.removeLast(count)
        state.setServer(record, server)
      }
      state.setUpload(standing, standing.recordName)
      return standing.tokens.isEmpty ? nil : standing.tokens
    }
  }

  /// Whether there are so many tokens for an upload by now.
  public func canPay(for upload: Upload, count: Int) -> Bool {
    guard let server = state.conversations[upload.conversation]?.context.server.serverKey else { return false }
    return (state.servers[server]?.tokens.count ?? 0) >= count
  }

  /// Tokens that were refused are worth nothing: others are shown.
  public mutating func dropTokens(of upload: Upload) throws(EngineError) {
    guard var standing = state.uploads[upload.recordName], standing.writeKey == upload.writeKey else { return }
    standing.tokens = []
    let dropped = standing
    try transact { (state) throws(EngineError) in state.setUpload(dropped, dropped.recordName) }
  }

  /// Remembers how far an upload has come; nothing happens for one that was abandoned.
  public mutating func noteUpload(_ upload: Upload) throws(EngineError) {
    guard var standing = state.uploads[upload.recordName], standing.writeKey == upload.writeKey else { return }
    standing.confirmedByteCount = upload.confirmedByteCount
    standing.confirmedHash = upload.confirmedHash
    // The object stands: what it cost is spent.
    standing.tokens = []
    standing.wantedTokenCount = 0
    let noted = standing
    try transact { (state) throws(EngineError) in state.setUpload(noted, noted.recordName) }
  }

  /// Forgets an upload.
  public mutating func abandonUpload(_ upload: Upload) throws(EngineError) {
    guard state.uploads[upload.recordName]?.writeKey == upload.writeKey else { return }
    try transact { (state) throws(EngineError) in state.setUpload(nil, upload.recordName) }
  }

  /// Queues the message of a file that lies at the server, and forgets the upload: both or neither.
  ///
  /// - Parameter hash: SHA-256 of the whole file.
  /// - Throws: `.notActive`, `.unconfirmed`.
  public mutating func finishUpload(_ upload: Upload, hash: KeyHash, now: UInt64) throws(EngineError) -> MessageID {
    // Another call has sent it, or has begun anew.
    guard state.uploads[upload.recordName]?.writeKey == upload.writeKey else { throw .notActive }
    return try transact { (state) throws(EngineError) in
      let attachment = Attachment(
        object: upload.writeKey.objectID, key: upload.key, byteCount: upload.byteCount, hash: hash, name: upload.name,
        mediaType: upload.mediaType)
      guard let attachment else { throw .badLength(byteCount: upload.name.utf8.count, limit: SottoProtocol.Limits.fileNameByteCount) }
      try state.requireConfirmed(try state.activeConversation(upload.conversation))
      state.setUpload(nil, upload.recordName)
      return try state.queueMessage(.attachment(attachment), in: upload.conversation, entry: .attachment(attachment), now: now)
    }
  }
}

extension DeviceState {
  /// How long an upload that nobody goes on with is remembered, milliseconds: longer than a server keeps what it has of it.
  static let uploadPatience: UInt64 = 7 * 86_400_000
}
