import NIOCore
import NIOEmbedded
import Testing

@testable import MailboxServer

struct MovingDeadlineTests {
  private final class Calls { var names: [String] = [] }

  private let loop = EmbeddedEventLoop()
  private let calls = Calls()

  private func move(_ deadline: MovingDeadline, _ seconds: Int, _ name: String) {
    deadline.move(to: .seconds(seconds)) { [calls] in calls.names.append(name) }
  }

  @Test func `only where it was moved to last it comes, be that later or earlier, and once`() {
    let deadline = MovingDeadline(loop)
    move(deadline, 10, "first")
    loop.advanceTime(by: .seconds(9))
    move(deadline, 10, "later")
    loop.advanceTime(by: .seconds(9))
    #expect(calls.names == [])
    move(deadline, 100, "much later")
    move(deadline, 2, "earlier")
    loop.advanceTime(by: .seconds(1))
    #expect(calls.names == [])
    loop.advanceTime(by: .seconds(1))
    #expect(calls.names == ["earlier"])
    loop.advanceTime(by: .hours(1))
    #expect(calls.names == ["earlier"])
    move(deadline, 5, "again")
    loop.advanceTime(by: .seconds(5))
    #expect(calls.names == ["earlier", "again"])
  }

  @Test func `one that is cancelled does not come, and may be set anew`() {
    let deadline = MovingDeadline(loop)
    move(deadline, 10, "cancelled")
    deadline.cancel()
    loop.advanceTime(by: .seconds(20))
    #expect(calls.names == [])
    move(deadline, 30, "anew")
    loop.advanceTime(by: .seconds(29))
    #expect(calls.names == [])
    loop.advanceTime(by: .seconds(1))
    #expect(calls.names == ["anew"])
  }
}
