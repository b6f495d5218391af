import NIOHTTP1
import Testing

@testable import MailboxServer

struct HTTPExchangeTests {
  private func head(_ method: HTTPMethod, _ uri: String, _ headers: HTTPHeaders = [:]) -> HTTPRequestHead {
    HTTPRequestHead(version: .http1_1, method: method, uri: uri, headers: headers)
  }

  @Test func `a call is collected and performed, and the connection goes on`() {
    var exchange = HTTPExchange(maximumRequestByteCount: 10)
    for _ in 0..<3 {
      #expect(exchange.receiveHead(head(.POST, "/v1/call")) == .awaitBody)
      #expect(exchange.receiveBody([1, 2]) == .none)
      #expect(exchange.receiveBody([3]) == .none)
      #expect(exchange.receiveEnd() == .perform(.call, body: [1, 2, 3]))
      #expect(exchange.isPerforming)
      #expect(exchange.respond(closing: false) == true)
    }
  }

  @Test func `a refused body is dropped up to four times the limit`() {
    var exchange = HTTPExchange(maximumRequestByteCount: 10)
    #expect(exchange.receiveHead(head(.POST, "/v1/call", ["content-length": "11"])) == .refuse(.payloadTooLarge))
    #expect(exchange.lastResponseFlushed() == .none)
    for _ in 0..<4 {
      #expect(exchange.receiveBody([UInt8](repeating: 0, count: 10)) == .none)
    }
    #expect(exchange.receiveBody([0]) == .close)
    #expect(exchange.receiveEnd() == .none)
  }

  @Test(arguments: [true, false])
  func `a refusal closes when the request is complete and the answer has left`(flushedFirst: Bool) {
    var exchange = HTTPExchange(maximumRequestByteCount: 10)
    #expect(exchange.receiveHead(head(.GET, "/other")) == .refuse(.notFound))
    if flushedFirst {
      #expect(exchange.lastResponseFlushed() == .none)
      #expect(exchange.receiveEnd() == .close)
    } else {
      #expect(exchange.receiveEnd() == .none)
      #expect(exchange.lastResponseFlushed() == .close)
    }
  }

  @Test func `requests that must have no body get none`() {
    var exchange = HTTPExchange(maximumRequestByteCount: 10)
    #expect(exchange.receiveHead(head(.GET, "/v1/health")) == .awaitBody)
    #expect(exchange.receiveBody([1]) == .refuse(.payloadTooLarge))
  }

  @Test func `input that is not HTTP is refused at once, or after the answer in progress`() {
    var idle = HTTPExchange(maximumRequestByteCount: 10)
    #expect(idle.inputFailed() == .refuse(.badRequest))
    #expect(idle.lastResponseFlushed() == .close)
    var performing = HTTPExchange(maximumRequestByteCount: 10)
    _ = performing.receiveHead(head(.GET, "/v1/health"))
    #expect(performing.receiveEnd() == .perform(.health, body: []))
    #expect(performing.inputFailed() == .none)
    #expect(performing.respond(closing: false) == false)
    #expect(performing.lastResponseFlushed() == .close)
    var refused = HTTPExchange(maximumRequestByteCount: 10)
    _ = refused.receiveHead(head(.GET, "/other"))
    #expect(refused.lastResponseFlushed() == .none)
    #expect(refused.inputFailed() == .close)
  }

  @Test func `shutting down closes what is idle or incomplete, and answers what is complete`() {
    var idle = HTTPExchange(maximumRequestByteCount: 10)
    #expect(idle.quiesce() == .close)
    var collecting = HTTPExchange(maximumRequestByteCount: 10)
    _ = collecting.receiveHead(head(.POST, "/v1/call"))
    #expect(collecting.quiesce() == .close)
    #expect(collecting.receiveEnd() == .none)
    var performing = HTTPExchange(maximumRequestByteCount: 10)
    _ = performing.receiveHead(head(.GET, "/v1/identity"))
    _ = performing.receiveEnd()
    #expect(performing.quiesce() == .none)
    #expect(performing.respond(closing: false) == false)
  }

  @Test func `a peer that is gone gets no answer`() {
    var exchange = HTTPExchange(maximumRequestByteCount: 10)
    _ = exchange.receiveHead(head(.GET, "/v1/identity"))
    _ = exchange.receiveEnd()
    exchange.connectionClosed()
    #expect(exchange.respond(closing: false) == nil)
  }
}
