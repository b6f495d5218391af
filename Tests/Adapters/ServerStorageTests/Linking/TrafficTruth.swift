import MailboxEngine
import SottoProtocol

@testable import ServerStorage

/// What the model knows of each copy that was accepted, and no thief.
struct TrafficTruth {
  struct Cell {
    let device: Int
    let send: Int
    /// Cells of one number are pieces of one copy.
    let copy: Int
  }

  private struct Copy {
    let device: Int
    let send: Int
    let expires: Day
    let cellCount: Int
  }

  /// Of each send, its conversation.
  private(set) var conversations: [Int] = []
  private var copies: [Copy] = []

  mutating func noteSend(in conversation: Int) -> Int {
    conversations.append(conversation)
    return conversations.count - 1
  }

  mutating func noteCopy(of send: Int, to device: Int, byteCount: Int, expires: Day) {
    let content = Queue.Item.contentByteCount(byteCount + Envelope.overheadByteCount)
    copies.append(
      Copy(device: device, send: send, expires: expires, cellCount: CellRows.cellCount(contentByteCount: content)))
  }

  /// Whose the cells are, by their numbers: slots are counted for each mailbox and day.
  func cells(_ mailboxes: [StoredPlace]) -> [Int64: Cell] {
    var numbers = mailboxes.map { SlotNumbers(RowKeys($0)) }
    var slots: [[Day: UInt64]] = mailboxes.map { _ in [:] }
    var cells: [Int64: Cell] = [:]
    for (index, copy) in copies.enumerated() {
      let slot = slots[copy.device][copy.expires] ?? 0
      for part in 0..<UInt64(copy.cellCount) {
        cells[numbers[copy.device].number(copy.expires, slot + part)] = Cell(device: copy.device, send: copy.send, copy: index)
      }
      slots[copy.device][copy.expires] = slot + UInt64(copy.cellCount)
    }
    return cells
  }
}
