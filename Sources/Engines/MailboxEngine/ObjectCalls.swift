import SottoProtocol

/// Requests about objects (docs/protocol.md §13).
extension MailboxEngine {
  func answer(_ request: ObjectRequest) async throws(StoreFailure) -> Answer {
    guard let objects else { return .refused }
    let today = clock.today
    switch request {
    case .create(let writeKey, let byteCount, let days, let tokens):
      let object = NewObject(name: names.object(writeKey.objectID), byteCount: byteCount, days: days)
      if let state = try await objects.state(of: object.name, today: today) { return .object(state) }
      guard (1...Limits.objectByteCount).contains(byteCount), (1...Limits.expiryDays).contains(Int(days)) else { return .refused }
      // Before the tokens are spent: who finds the server full keeps them.
      guard try await objects.hasRoom(for: byteCount) else { return .overQuota }
      guard try await spend(tokens, for: object) else { return .tokenRefused }
      return Self.answer(try await objects.create(object, today: today))
    case .state(let writeKey):
      return try await objects.state(of: names.object(writeKey.objectID), today: today).map(Answer.object) ?? .refused
    case .write(let writeKey, let offset, let bytes):
      return Self.answer(try await objects.write(bytes, to: names.object(writeKey.objectID), at: offset, today: today))
    case .finish(let writeKey):
      return Self.answer(try await objects.finish(names.object(writeKey.objectID), today: today))
    case .read(let id, let offset, let count):
      let count = min(Int(clamping: count), Limits.objectPieceByteCount)
      let bytes = try await objects.read(names.object(id), at: offset, count: count, today: today)
      return bytes.map(Answer.objectBytes) ?? .refused
    case .delete(let writeKey):
      return try await objects.delete(names.object(writeKey.objectID), today: today) ? .objectDeleted : .refused
    }
  }

  private static func answer(_ outcome: ObjectOutcome) -> Answer {
    switch outcome {
    case .stands(let state): .object(state)
    case .refused: .refused
    case .overQuota: .overQuota
    }
  }

  /// Takes what an object costs: all of it or nothing. Tokens that were spent for an object which a crash kept from being made are
  /// lost.
  private func spend(_ tokens: [Token], for object: NewObject) async throws(StoreFailure) -> Bool {
    // One token shown often is found before its signature is checked as often.
    guard tokens.count == ObjectRequest.price(of: object.byteCount), Set(tokens.map(\.id)).count == tokens.count else { return false }
    var spent: [SpentToken] = []
    for token in tokens {
      guard let token = spending(token) else { return false }
      spent.append(token)
    }
    return try await store.spend(spent, today: clock.today)
  }
}
