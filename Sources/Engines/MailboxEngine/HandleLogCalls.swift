import SottoProtocol

/// Requests about handle logs (docs/protocol.md §8).
extension MailboxEngine {
  func append(_ append: LogAppend) async throws(StoreFailure) -> Answer {
    guard let rotation = storedRotation(append.rotation, of: append.handle, slot: append.slot, entry: append.entry) else {
      return .refused
    }
    let envelope = Envelope(source: .log(slot: append.slot), frame: append.entry)
    // All copies are one transaction, and so in memory together.
    guard append.recipients.count * envelope.sealedByteCount <= ServerLimits.appendByteCount else { return .refused }
    let fanOut = try await self.fanOut(to: append.recipients, byteCount: append.entry.count)
    return try await copyMemory.hold(fanOut.copies.count * envelope.sealedByteCount) { () async throws(StoreFailure) in
      let sealed = await fanOut.seal(0..<fanOut.copies.count, envelope, expires: expiry) { _ in nil }
      let stored = StoredAppend(
        log: names.log(append.handle), slot: append.slot, writeKey: names.writeKey(append.writeKey.hash, of: append.handle),
        entry: append.entry, expires: expiry, rotation: rotation.value, groupInfo: append.groupInfo, copies: sealed.copies)
      return try await self.append(stored, sealed, of: fanOut)
    }
  }

  private func append(_ stored: StoredAppend, _ sealed: SealedCopies, of fanOut: FanOut) async throws(StoreFailure) -> Answer {
    var outcomes: [CopyOutcome] = []
    defer { giveBack(fanOut.charges, outcomes) }
    let outcome: AppendOutcome
    do { outcome = try await store.append(stored, today: clock.today) } catch {
      // A write that may have happened counts.
      if error == .outcomeUnknown { outcomes = fanOut.copies.map { _ in .accepted } }
      throw error
    }
    switch outcome {
    case .appended(let written):
      outcomes = sealed.outcomes(written)
      wakes.wake(sealed.mailboxes(written))
      return .appended(fanOut.answers(outcomes))
    case .duplicate: return .duplicate
    case .refused: return .refused
    case .conflict(let nextSlot): return .conflict(nextSlot: nextSlot)
    case .full: return .logFull
    }
  }

  func readLog(_ handle: HandleID, from slot: UInt64) async throws(StoreFailure) -> Answer {
    let limit = PageLimit(count: ServerLimits.logPageEntryCount, byteCount: ServerLimits.logPageByteCount)
    guard let page = try await store.readLog(names.log(handle), from: slot, page: limit, today: clock.today) else {
      return .refused
    }
    return .entries(firstSlot: page.firstSlot, nextSlot: page.nextSlot, page.entries)
  }

  func rotate(_ handle: HandleID, slot: UInt64, rotation: Rotation) async throws(StoreFailure) -> Answer {
    guard let stored = storedRotation(rotation, of: handle, slot: slot, entry: [])?.value else { return .refused }
    let outcome = try await store.rotate(
      names.log(handle), slot: slot, rotation: stored, identifier: names.rotation(rotation, of: handle, slot: slot))
    switch outcome {
    case .rotated: return .rotated
    case .refused: return .refused
    case .conflict(let nextSlot): return .conflict(nextSlot: nextSlot)
    }
  }

  /// A rotation that may be absent.
  private struct CheckedRotation { var value: StoredRotation? }

  /// Checks a rotation's signature by the key that it names; the store checks, in its transaction, that the key is an
  /// administrator's.
  ///
  /// - Returns: nil for a wrong signature.
  private func storedRotation(_ rotation: Rotation?, of handle: HandleID, slot: UInt64, entry: [UInt8]) -> CheckedRotation? {
    guard let rotation else { return CheckedRotation(value: nil) }
    guard rotation.isAuthorised(by: [rotation.signer], handle: handle, slot: slot, entry: entry) else { return nil }
    let stored = StoredRotation(
      writeKey: names.writeKey(rotation.writeKeyHash, of: handle),
      administrators: rotation.administratorKeys.map { names.administrator($0, of: handle) },
      signer: names.administrator(rotation.signer, of: handle))
    return CheckedRotation(value: stored)
  }
}
