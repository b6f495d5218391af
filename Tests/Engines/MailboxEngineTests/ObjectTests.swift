import MailboxEngine
import MailboxEngineTesting
import MailboxStoreConformance
import SottoProtocol
import Testing
import WireFormat

@Suite struct ObjectTests {
  private func fixture(quota: UInt64 = 1 << 30) throws -> EngineFixture {
    try EngineFixture(store: InMemoryMailboxStore(), objects: InMemoryObjectStore(quota: quota))
  }

  @Test(arguments: ObjectCheck.all)
  func `objects in memory keep the promises of a store`(_ check: ObjectCheck) async throws {
    let store = InMemoryObjectStore(quota: ObjectCheck.quota)
    try await check.run(ObjectFixture(store: store) { store })
  }

  private func create(
    _ writeKey: Permission, _ byteCount: UInt64, days: UInt8 = 30, at server: EngineFixture, tokens: [Token]? = nil
  ) throws -> Request {
    let tokens = try tokens ?? (0..<ObjectRequest.price(of: byteCount)).map { _ in try server.token() }
    return .object(.create(writeKey: writeKey, byteCount: byteCount, days: days, tokens: tokens))
  }

  @Test func `each begun 256 MiB of an object costs a token, which is spent once`() async throws {
    let server = try fixture(quota: 1 << 40)
    let size = Limits.objectBytesPerToken
    #expect(ObjectRequest.price(of: size) == 1 && ObjectRequest.price(of: size + 1) == 2)
    #expect(ObjectRequest.price(of: Limits.objectByteCount) == Limits.objectTokenCount)
    let (first, second, third) = (try server.token(), try server.token(), try server.token())
    let stranger = Token(id: first.id, signature: second.signature)
    let empty = Answer.object(ObjectState(byteCount: 0, isFinished: false))
    let writeKey = Permission.random(using: server.random)
    for tokens in [[], [first], [first, first], [first, stranger], [first, try server.entryToken()], [first, second, third]] {
      #expect(try await server.call(create(writeKey, size + 1, at: server, tokens: tokens)) == .tokenRefused)
    }
    #expect(try await server.call(create(writeKey, size + 1, at: server, tokens: [first, second])) == empty)
    // What stands costs nothing more, and what was refused with a spent token has spent no other.
    #expect(try await server.call(create(writeKey, size + 1, at: server, tokens: [])) == empty)
    let other = Permission.random(using: server.random)
    #expect(try await server.call(create(other, size + 1, at: server, tokens: [second, third])) == .tokenRefused)
    #expect(try await server.call(create(other, size, at: server, tokens: [third])) == empty)
  }

  @Test func `who has the write key writes, and who has the name reads`() async throws {
    let server = try fixture()
    let writeKey = Permission.random(using: server.random)
    #expect(try await server.call(create(writeKey, 4, at: server)) == .object(ObjectState(byteCount: 0, isFinished: false)))
    #expect(
      try await server.call(.object(.write(writeKey: writeKey, offset: 0, bytes: [1, 2, 3, 4])))
        == .object(ObjectState(byteCount: 4, isFinished: false)))
    #expect(try await server.call(.object(.read(writeKey.objectID, offset: 0, count: 4))) == .refused)
    #expect(try await server.call(.object(.finish(writeKey: writeKey))) == .object(ObjectState(byteCount: 4, isFinished: true)))
    #expect(try await server.call(.object(.state(writeKey: writeKey))) == .object(ObjectState(byteCount: 4, isFinished: true)))
    #expect(try await server.call(.object(.read(writeKey.objectID, offset: 1, count: 9))) == .objectBytes([2, 3, 4]))

    // The name is no write key, and neither leads to the other by way of the server.
    let name = Permission(trusted: writeKey.objectID.bytes)
    for request: ObjectRequest in [
      .state(writeKey: name), .write(writeKey: name, offset: 0, bytes: [9]), .finish(writeKey: name), .delete(writeKey: name),
    ] {
      #expect(try await server.call(.object(request)) == .refused)
    }
    #expect(try await server.call(.object(.read(ObjectID(trusted: writeKey.bytes), offset: 0, count: 4))) == .refused)
    #expect(try await server.call(.object(.delete(writeKey: writeKey))) == .objectDeleted)
    #expect(try await server.call(.object(.read(writeKey.objectID, offset: 0, count: 4))) == .refused)
  }

  @Test func `sizes and days outside the limits are refused`() async throws {
    let server = try fixture()
    for (byteCount, days): (UInt64, UInt8) in [(0, 30), (Limits.objectByteCount + 1, 30), (1, 0), (1, 31)] {
      #expect(
        try await server.call(create(Permission.random(using: server.random), byteCount, days: days, at: server, tokens: [])) == .refused)
    }
  }

  @Test func `a full server says so before it takes a token`() async throws {
    let server = try fixture(quota: 100)
    #expect(try await server.call(create(Permission.random(using: server.random), 101, at: server)) == .overQuota)
  }

  @Test func `a server that keeps no files refuses them`() async throws {
    let server = try EngineFixture(store: InMemoryMailboxStore())
    #expect(try await server.call(create(Permission.random(using: server.random), 1, at: server)) == .refused)
  }

  @Test func `a piece larger than the limit is malformed`() async throws {
    let server = try fixture()
    let writeKey = Permission.random(using: server.random)
    let request = Request.object(
      .write(writeKey: writeKey, offset: 0, bytes: [UInt8](repeating: 0, count: Limits.objectPieceByteCount + 1)))
    #expect(await server.engine.call(request.encoded) == .malformed)
  }
}
