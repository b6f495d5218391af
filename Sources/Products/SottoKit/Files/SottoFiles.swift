import ConversationEngine
import Foundation
import MailboxClient
import SottoProtocol

// Files of any size. They are sealed on this device, piece by piece, and what was cut off goes on where it ended.
extension Sotto {
  /// Sends a file, and returns when the message with it lies at the server. After a lost connection or a crash, the same call goes on where it ended, if
  /// the file is still the same.
  ///
  /// ```swift
  /// try await sotto.deliver(file: "/home/ada/film.mp4", to: conversation) { print($0.byteCount, "of", $0.totalByteCount) }
  /// ```
  ///
  /// - Parameters:
  ///   - patience: how long nothing may go forward before it is given up.
  ///   - progress: called after each half megabyte, on any thread.
  /// - Returns: whom the message has not reached.
  /// - Throws: `.file`, `.server`, `.cancelled` and others; then nothing was sent, or the message is queued.
  @discardableResult
  public func deliver(
    file path: String, to conversation: ConversationID, mediaType: String = "", patience: Duration = .seconds(30),
    progress: @escaping @Sendable (FileProgress) -> Void = { _ in }
  ) async throws(SottoError) -> SendOutcome {
    let source: SourceFile
    do { source = try SourceFile(path) } catch { throw .file(error) }
    guard let layout = AttachmentLayout(contentByteCount: source.byteCount) else { throw .file(.tooLarge) }
    let server = try query { engine throws(EngineError) in try engine.server(of: conversation) }
    let place = Self.absolutePath(path)
    var upload = try standingUpload(of: place, source, mediaType, to: conversation)
    let line = try await objectLine(to: server, patience: patience)
    let sender = FileSender(
      source: source, layout: layout, line: line,
      pay: { (upload, count, isRefused) async throws(SottoError) in
        try await self.pay(for: upload, count, droppingOthers: isRefused, patience: patience)
      },
      note: { (upload) async throws(SottoError) in try await self.note(upload) }, progress: progress)
    do throws(SottoError) {
      var outcome = try await sender.send(upload)
      if case .otherFile = outcome {
        await forget(upload, line)
        upload = try begin(place, source, mediaType, to: conversation)
        outcome = try await sender.send(upload)
      }
      await line.connection.shutDown()
      guard case .done(let done, let hash) = outcome else { throw .file(.changed) }
      // The message is queued and the upload forgotten in one step, so neither a crash nor a repetition sends it twice.
      let id = try change { engine, now throws(EngineError) in try engine.finishUpload(done, hash: hash, now: now) }
      return try await waitUntilSent(id, in: conversation, timeout: patience)
    } catch {
      if error == .file(.changed) { await forget(upload, line) }
      await line.connection.shutDown()
      throw error
    }
  }

  /// Saves a file that came with a message, and returns when it is whole, checked and on disk. After a lost connection or a crash, the same call goes on where
  /// it ended.
  ///
  /// - Parameters:
  ///   - destination: the file's path, or a directory to put it into under its own name. Nothing is replaced unless `replacing` says so.
  /// - Returns: the file's path.
  /// - Throws: `.file`, `.server`, `.cancelled` and others.
  public func save(
    _ attachment: Attachment, from conversation: ConversationID, to destination: String, replacing: Bool = false,
    patience: Duration = .seconds(30), progress: @escaping @Sendable (FileProgress) -> Void = { _ in }
  ) async throws(SottoError) -> String {
    let path = Self.isDirectory(destination) ? "\(destination)/\(attachment.safeName)" : destination
    guard replacing || !FileManager.default.fileExists(atPath: path) else { throw .file(.exists) }
    let server = try query { engine throws(EngineError) in try engine.server(of: conversation) }
    let part: PartFile
    do { part = try PartFile(for: attachment, at: path) } catch { throw .file(error) }
    let line = try await objectLine(to: server, patience: patience)
    do throws(SottoError) {
      try await FileReceiver(attachment: attachment, part: part, line: line, progress: progress).receive()
      do { try part.finish(replacing: replacing) } catch { throw .file(error) }
      await line.connection.shutDown()
      return path
    } catch {
      // What is not the file, or will never be whole, is of no use to anybody.
      if error == .file(.damaged) || error == .file(.gone) { part.discard() }
      await line.connection.shutDown()
      throw error
    }
  }

  // MARK: -

  private func standingUpload(
    of place: String, _ source: SourceFile, _ mediaType: String, to conversation: ConversationID
  ) throws(SottoError) -> Upload {
    if let upload = try query({ $0.upload(of: place, to: conversation) }), upload.byteCount == source.byteCount { return upload }
    return try begin(place, source, mediaType, to: conversation)
  }

  private func begin(
    _ place: String, _ source: SourceFile, _ mediaType: String, to conversation: ConversationID
  ) throws(SottoError) -> Upload {
    let name = place.split(separator: "/").last.map(String.init) ?? "file"
    return try change { engine, now throws(EngineError) in
      try engine.beginUpload(
        of: place, name: name, mediaType: mediaType, byteCount: source.byteCount, to: conversation, now: now)
    }
  }

  /// Tokens for an upload, once the server has signed enough of them.
  private func pay(
    for upload: Upload, _ count: Int, droppingOthers isRefused: Bool, patience: Duration
  ) async throws(SottoError) -> [Token] {
    if isRefused { try change { engine, _ throws(EngineError) in try engine.dropTokens(of: upload) } }
    connect()
    let server = try query { engine throws(EngineError) in try engine.server(of: upload.conversation) }
    while true {
      let tokens = try change { engine, _ throws(EngineError) in try engine.payForUpload(upload, count: count) }
      if let tokens { return tokens }
      try await wait(patience) { (sotto, _) throws(SottoError) -> Void? in
        if try sotto.query({ $0.canPay(for: upload, count: count) }) { return () }
        if try sotto.query({ $0.isQuotaUsedUp(at: server) }) { throw .file(.quotaUsedUp) }
        try sotto.requireReachable()
        return nil
      }
    }
  }

  private func note(_ upload: Upload) throws(SottoError) {
    try change { engine, _ throws(EngineError) in try engine.noteUpload(upload) }
  }

  /// Forgets an upload, and what the server has of it; what is not deleted there goes by itself.
  private func forget(_ upload: Upload, _ line: ObjectLine) async {
    try? change { engine, _ throws(EngineError) in try engine.abandonUpload(upload) }
    _ = try? await line.ask(.delete(writeKey: upload.writeKey))
  }

  private static func absolutePath(_ path: String) -> String {
    URL(filePath: path).standardizedFileURL.resolvingSymlinksInPath().path
  }

  private static func isDirectory(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    // `unsafe`: the function writes the value during the call.
    return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
  }
}
