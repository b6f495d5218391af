public import MailboxEngine

/// One promise of every store, and how it is tried.
public struct ConformanceCheck: Sendable, CustomStringConvertible {
  /// A sentence.
  public let description: String
  private let body: @Sendable (StoreFixture) async throws -> Void

  init(_ description: String, _ body: @escaping @Sendable (StoreFixture) async throws -> Void) {
    self.description = description
    self.body = body
  }

  /// - Throws: `BrokenPromise`, or what the store throws.
  public func run(_ fixture: StoreFixture) async throws { try await body(fixture) }

  /// The whole suite.
  public static let all = EnvelopeChecks.all + VoucherChecks.all + RegistrationChecks.all + BlobChecks.all + LogChecks.all
}

/// A store that a check may open again.
public struct StoreFixture: Sendable {
  public let store: any MailboxStore
  /// Closes the store and opens it again: the same one, or another over the same files.
  public let reopen: @Sendable () async throws -> any MailboxStore

  public init(store: any MailboxStore, reopen: @escaping @Sendable () async throws -> any MailboxStore) {
    self.store = store
    self.reopen = reopen
  }
}

/// A store did not do what it must.
public struct BrokenPromise: Error, CustomStringConvertible {
  public let description: String
}

func require(_ condition: Bool, _ promise: String) throws {
  guard condition else { throw BrokenPromise(description: promise) }
}

func requireEqual<Value: Equatable>(_ actual: Value, _ expected: Value, _ promise: String) throws {
  guard actual == expected else { throw BrokenPromise(description: "\(promise): \(actual) instead of \(expected)") }
}
