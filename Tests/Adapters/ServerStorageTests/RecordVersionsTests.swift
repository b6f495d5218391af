import MailboxEngine
import Testing

@testable import ServerStorage

struct RecordVersionsTests {
  private let name = StoredName(trusted: [UInt8](repeating: 1, count: 32))
  private let other = StoredName(trusted: [UInt8](repeating: 2, count: 32))
  private let versions = RecordVersions()

  @Test func `a change shows at once, and again when its transaction has ended`() {
    let before = versions.version(of: name)
    versions.change(name)
    // A reader that begins now may still find the record as it was.
    let meanwhile = versions.version(of: name)
    versions.endTransaction()
    let after = versions.version(of: name)
    #expect(before != meanwhile && meanwhile != after && before != after)
    versions.endTransaction()
    #expect(versions.version(of: name) == after)
  }

  @Test func `the change of one is no change of others`() {
    let before = versions.version(of: other)
    versions.change(name)
    versions.endTransaction()
    #expect(versions.version(of: other) == before)
  }
}
