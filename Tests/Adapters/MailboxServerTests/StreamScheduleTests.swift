import Testing

@testable import MailboxServer

struct StreamScheduleTests {
  /// A schedule whose session has started.
  private func started() -> StreamSchedule {
    var schedule = StreamSchedule()
    #expect(schedule.nextEvent() == .start)
    #expect(schedule.nextEvent() == nil)
    schedule.eventEnded()
    #expect(schedule.wantsRead)
    return schedule
  }

  @Test func `one event at a time, in the order of the messages`() {
    var schedule = started()
    schedule.messageReceived([1])
    schedule.messageReceived([2])
    #expect(!schedule.wantsRead)
    #expect(schedule.nextEvent() == .receive([1]))
    #expect(schedule.nextEvent() == nil)
    schedule.eventEnded()
    #expect(schedule.nextEvent() == .receive([2]))
    #expect(!schedule.wantsRead)
    schedule.eventEnded()
    #expect(schedule.nextEvent() == nil)
    #expect(schedule.wantsRead)
  }

  @Test func `nothing is delivered or read while something written has not left`() {
    var schedule = started()
    schedule.writeBegan()
    schedule.writeBegan()
    schedule.messageReceived([1])
    schedule.wakeRequested()
    schedule.writeEnded()
    #expect(schedule.nextEvent() == nil)
    #expect(!schedule.wantsRead)
    schedule.writeEnded()
    #expect(schedule.nextEvent() == .wake)
  }

  @Test func `messages and wakes take turns`() {
    var schedule = started()
    for index in 0..<UInt8(3) {
      schedule.messageReceived([index])
    }
    var events: [StreamSchedule.Event] = []
    for _ in 0..<6 {
      schedule.wakeRequested()
      if let event = schedule.nextEvent() {
        events.append(event)
      }
      schedule.eventEnded()
    }
    #expect(events == [.wake, .receive([0]), .wake, .receive([1]), .wake, .receive([2])])
  }

  @Test func `wakes asked for together are one`() {
    var schedule = started()
    schedule.wakeRequested()
    schedule.wakeRequested()
    #expect(schedule.nextEvent() == .wake)
    schedule.eventEnded()
    #expect(schedule.nextEvent() == nil)
  }

  @Test func `the end drops what waited and is delivered once, after the event in progress`() {
    var schedule = started()
    schedule.messageReceived([1])
    schedule.messageReceived([2])
    #expect(schedule.nextEvent() == .receive([1]))
    schedule.writeBegan()
    schedule.end()
    schedule.messageReceived([3])
    schedule.wakeRequested()
    #expect(schedule.nextEvent() == nil)
    schedule.eventEnded()
    // Even while a write hangs that will never leave.
    #expect(schedule.nextEvent() == .closed)
    schedule.eventEnded()
    schedule.end()
    #expect(schedule.nextEvent() == nil)
    #expect(schedule.wantsRead)
  }

  @Test func `a session that never started still begins and ends`() {
    var schedule = StreamSchedule()
    schedule.end()
    #expect(schedule.nextEvent() == .start)
    schedule.eventEnded()
    #expect(schedule.nextEvent() == .closed)
  }
}
