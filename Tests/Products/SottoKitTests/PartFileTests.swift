import CryptoSuite
import Foundation
import SottoProtocol
import Testing

@testable import SottoKit

/// A file that is being saved, and what a crash leaves of it.
@Suite struct PartFileTests {
  private static let content = Array("what somebody has sent".utf8)

  private static func attachment() throws -> SottoProtocol.Attachment {
    let attachment = Attachment(
      object: ObjectID(trusted: [UInt8](repeating: 1, count: 32)), key: Permission(trusted: [UInt8](repeating: 2, count: 32)),
      byteCount: UInt64(content.count), hash: KeyHash(trusted: HashAlgorithm.sha256.hash(content)), name: "plan.pdf", mediaType: "")
    return try #require(attachment)
  }

  private static func names(_ folder: String) throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }

  @Test func `what a crash left with both names is not written to, and is not taken for a part`() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "part-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // Dies when the file has both names.
    await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
      let part = try PartFile(for: PartFileTests.attachment(), at: "\(folder)/plan.pdf")
      try part.write(PartFileTests.content, at: 0)
      try part.finish(replacing: false, atTwoNames: { kill(getpid(), SIGKILL) })
    }
    #expect(try Self.names(folder).count == 2)
    // Its owner has written to it since.
    let path = "\(folder)/plan.pdf"
    let changed = Array("what its owner made of it".utf8)
    let file = try #require(FileHandle(forUpdatingAtPath: path))
    file.truncateFile(atOffset: 0)
    file.write(Data(changed))
    try file.close()

    let again = try PartFile(for: Self.attachment(), at: path)
    #expect(try again.byteCount == 0)
    try again.write(Self.content, at: 0)
    #expect(try [UInt8](Data(contentsOf: URL(filePath: path))) == changed)
    #expect(throws: FileProblem.exists) { try again.finish(replacing: false) }
    #expect(try [UInt8](Data(contentsOf: URL(filePath: path))) == changed)
    try again.finish(replacing: true)
    #expect(try [UInt8](Data(contentsOf: URL(filePath: path))) == Self.content)
    #expect(try Self.names(folder) == ["plan.pdf"])
  }

  @Test func `a part is taken up again by the next who comes, and by nobody beside`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "part-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var part: PartFile? = try PartFile(for: Self.attachment(), at: "\(folder)/plan.pdf")
    try part?.write(Self.content, at: 0)
    #expect(throws: FileProblem.inUse) { try PartFile(for: Self.attachment(), at: "\(folder)/plan.pdf") }
    part = nil
    #expect(try PartFile(for: Self.attachment(), at: "\(folder)/plan.pdf").byteCount == UInt64(Self.content.count))
  }
}
