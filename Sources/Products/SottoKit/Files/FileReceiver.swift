import CryptoSuite
import SottoProtocol

/// Fetches one file from a server, one piece of it in memory at a time, and checks each segment before it is written.
struct FileReceiver: Sendable {
  let attachment: Attachment
  let part: PartFile
  let line: ObjectLine
  let progress: @Sendable (FileProgress) -> Void

  /// Returns when the whole file is there, and is the one that was sent.
  func receive() async throws(SottoError) {
    let kept = try readKept()
    do { try await receive(from: kept.segment, kept.hash) } catch {
      // What an earlier attempt left may be spoilt: it is a file like any other. Then all of it is fetched anew.
      guard error == .file(.damaged), kept.segment > 0 else { throw error }
      try await receive(from: 0, RunningHash())
    }
  }

  /// What an earlier attempt has left: so many whole segments, and the hash of their content.
  private func readKept() throws(SottoError) -> (segment: UInt64, hash: RunningHash) {
    let layout = attachment.layout
    var hash = RunningHash()
    do {
      let count = try part.byteCount
      var segment = count / UInt64(AttachmentLayout.segmentByteCount)
      // What came before the padding may be all there is of the last segment.
      if count >= layout.contentByteCount { segment = layout.segmentCount(ofContent: layout.contentByteCount) }
      for number in 0..<segment {
        hash.update(
          try part.read(at: number * UInt64(AttachmentLayout.segmentByteCount), count: layout.contentByteCount(of: number)))
      }
      return (segment, hash)
    } catch { throw .file(error) }
  }

  private func receive(from first: UInt64, _ kept: RunningHash) async throws(SottoError) {
    let (layout, cipher) = (attachment.layout, attachment.cipher)
    var (segment, hash) = (first, kept)
    let end = layout.segmentCount(ofContent: layout.contentByteCount)
    let resumedAt = min(first * UInt64(AttachmentLayout.segmentByteCount), layout.contentByteCount)
    do { try part.truncate(to: resumedAt) } catch { throw .file(error) }
    progress(FileProgress(byteCount: resumedAt, totalByteCount: layout.contentByteCount, resumedAt: resumedAt))
    while segment < end {
      let last = min(segment + FileSender.segmentsPerCall, end)
      let piece = try await fetch(layout.objectOffset(of: segment)..<layout.objectOffset(of: last))
      var start = 0
      for number in segment..<last {
        let count = layout.sealedByteCount(of: number)
        let content: [UInt8]
        do { content = try cipher.open(Array(piece[start..<start + count]), segment: number) } catch { throw .file(.damaged) }
        start += count
        hash.update(content)
        do { try part.write(content, at: number * UInt64(AttachmentLayout.segmentByteCount)) } catch { throw .file(error) }
      }
      segment = last
      progress(
        FileProgress(
          byteCount: min(segment * UInt64(AttachmentLayout.segmentByteCount), layout.contentByteCount),
          totalByteCount: layout.contentByteCount, resumedAt: resumedAt))
    }
    guard hash.digest == attachment.hash.bytes else { throw .file(.damaged) }
  }

  private func fetch(_ range: Range<UInt64>) async throws(SottoError) -> [UInt8] {
    let count = UInt32(clamping: range.upperBound - range.lowerBound)
    switch try await line.ask(.read(attachment.object, offset: range.lowerBound, count: count)) {
    case .objectBytes(let bytes):
      guard bytes.count == Int(count) else { throw .file(.damaged) }
      return bytes
    case .refused: throw .file(.gone)
    default: throw .server(.notUnderstood)
    }
  }
}

extension AttachmentLayout {
  /// Segments that hold so many bytes of the file; what is behind them is padding alone.
  fileprivate func segmentCount(ofContent count: UInt64) -> UInt64 {
    count == 0 ? 0 : (count - 1) / UInt64(Self.segmentByteCount) + 1
  }
}
