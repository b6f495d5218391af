import ConversationEngine
import CryptoSuite
import SottoProtocol

/// Moves one file to a server, one piece of it in memory at a time.
///
/// It keeps nothing itself: how far the upload has come goes to `note`, and what was confirmed before is read from the file again, to be sure that it is
/// still the same file.
struct FileSender: Sendable {
  /// Segments in one call.
  static let segmentsPerCall = UInt64(Limits.objectPieceByteCount / AttachmentLayout.sealedSegmentByteCount)
  /// Calls between two notes: what a crash makes the client send again, 8 MiB.
  private static let callsPerNote = 16

  /// What has to be done about an upload.
  enum Outcome: Sendable {
    /// It lies at the server; with the SHA-256 of the file.
    case done(Upload, hash: KeyHash)
    /// The file is not the one that the upload was begun with.
    case otherFile
  }

  let source: SourceFile
  let layout: AttachmentLayout
  let line: ObjectLine
  /// Gives so many tokens; true drops those that it gave before.
  let pay: @Sendable (Upload, Int, Bool) async throws(SottoError) -> [Token]
  let note: @Sendable (Upload) async throws(SottoError) -> Void
  let progress: @Sendable (FileProgress) -> Void

  func send(_ upload: Upload) async throws(SottoError) -> Outcome {
    var upload = upload
    let cipher = AttachmentCipher(key: Secret(upload.key.bytes), layout: layout)
    var hash = RunningHash()
    var segment: UInt64 = 0
    if upload.confirmedByteCount > 0 {
      segment = layout.segmentCount(inObjectBytes: upload.confirmedByteCount)
      for number in 0..<segment { hash.update(try read(number)) }
      guard hash.digest == upload.confirmedHash.bytes else { return .otherFile }
    }
    let standing = try await begin(upload)
    if standing.isFinished, segment < layout.segmentCount {
      // It was finished by an attempt that was not remembered.
      for number in segment..<layout.segmentCount { hash.update(try read(number)) }
      segment = layout.segmentCount
    }
    if standing.byteCount < layout.objectOffset(of: segment) {
      // The server has less than it had confirmed, or has deleted it for its age.
      (segment, hash) = (0, RunningHash())
    }
    let resumedAt = contentByteCount(before: segment)
    report(segment, resumedAt)
    var callCount = 0
    while segment < layout.segmentCount {
      let end = min(segment + Self.segmentsPerCall, layout.segmentCount)
      var piece: [UInt8] = []
      piece.reserveCapacity(Limits.objectPieceByteCount)
      for number in segment..<end {
        let content = try read(number)
        hash.update(content)
        do { piece += try cipher.seal(content, segment: number) } catch { throw .cryptography }
      }
      let answer = try await line.ask(.write(writeKey: upload.writeKey, offset: layout.objectOffset(of: segment), bytes: piece))
      guard try state(answer).byteCount >= layout.objectOffset(of: end) else { throw .server(.notUnderstood) }
      segment = end
      callCount += 1
      if callCount % Self.callsPerNote == 0 || segment == layout.segmentCount {
        upload.confirmedByteCount = layout.objectOffset(of: segment)
        upload.confirmedHash = KeyHash(trusted: hash.digest)
        try await note(upload)
      }
      report(segment, resumedAt)
    }
    // What was written to meanwhile may be half the old and half the new.
    guard !source.hasChanged else { throw .file(.changed) }
    guard try state(try await line.ask(.finish(writeKey: upload.writeKey))).isFinished else { throw .server(.notUnderstood) }
    return .done(upload, hash: KeyHash(trusted: hash.digest))
  }

  /// How far the server is; makes the object if it is not there.
  private func begin(_ upload: Upload) async throws(SottoError) -> ObjectState {
    if case .object(let state) = try await line.ask(.state(writeKey: upload.writeKey)) { return state }
    let price = ObjectRequest.price(of: layout.objectByteCount)
    let answer = try await create(upload, tokens: try await pay(upload, price, false))
    guard answer == .tokenRefused else { return try state(answer) }
    // They were spent by an attempt of which the server has nothing left, or signed by a key that is gone.
    return try state(try await create(upload, tokens: try await pay(upload, price, true)))
  }

  private func create(_ upload: Upload, tokens: [Token]) async throws(SottoError) -> Answer {
    try await line.ask(
      .create(writeKey: upload.writeKey, byteCount: layout.objectByteCount, days: UInt8(clamping: Limits.expiryDays), tokens: tokens))
  }

  private func state(_ answer: Answer) throws(SottoError) -> ObjectState {
    switch answer {
    case .object(let state): return state
    case .overQuota, .noRoom: throw .file(.serverFull)
    case .refused, .tokenRefused: throw .file(.refused)
    default: throw .server(.notUnderstood)
    }
  }

  private func read(_ segment: UInt64) throws(SottoError) -> [UInt8] {
    do {
      return try source.read(at: segment * UInt64(AttachmentLayout.segmentByteCount), count: layout.contentByteCount(of: segment))
    } catch { throw .file(error) }
  }

  private func contentByteCount(before segment: UInt64) -> UInt64 {
    min(segment * UInt64(AttachmentLayout.segmentByteCount), layout.contentByteCount)
  }

  private func report(_ segment: UInt64, _ resumedAt: UInt64) {
    progress(
      FileProgress(
        byteCount: contentByteCount(before: segment), totalByteCount: layout.contentByteCount, resumedAt: resumedAt))
  }
}
