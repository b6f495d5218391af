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
      // Before the signatures are checked: who finds the server full keeps the tokens.
      guard try await objects.hasRoom(for: byteCount) else { return .overQuota }
      return try await create(object, paidWith: tokens, in: objects)
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

  /// Makes an object, and then takes what it costs: all of it or nothing.
  ///
  /// In this order no crash and no full disk takes tokens for an object that is not there. If the server dies in between, the object
  /// stands unpaid, and the same request finds it.
  private func create(
    _ object: NewObject, paidWith tokens: [Token], in objects: any ObjectStore
  ) async throws(StoreFailure) -> Answer {
    // One token shown often is found before its signature is checked as often.
    guard tokens.count == ObjectRequest.price(of: object.byteCount), Set(tokens.map(\.id)).count == tokens.count else {
      return .tokenRefused
    }
    var spending: [SpentToken] = []
    for token in tokens {
      guard let token = self.spending(token, as: .common) else { return .tokenRefused }
      spending.append(token)
    }
    let today = clock.today
    // Spent tokens have no file made, not even for a moment.
    guard try await store.areUnspent(spending, today: today) else { return .tokenRefused }
    switch try await objects.create(object, today: today) {
    case .overQuota: return .overQuota
    // Made by the same request, which arrived twice.
    case .stands(let state): return .object(state)
    case .made: break
    }
    let isPaid: Bool
    do throws(StoreFailure) { isPaid = try await store.spend(spending, today: today) } catch {
      // Of an unknown outcome the object stays: the tokens may be spent.
      if error != .outcomeUnknown { _ = try await objects.delete(object.name, today: today) }
      throw error
    }
    guard isPaid else {
      _ = try await objects.delete(object.name, today: today)
      return .tokenRefused
    }
    return .object(ObjectState(byteCount: 0, isFinished: false))
  }
}
