import BreachDrill
import Foundation
import Testing

extension EndToEndTests {
  @Test func `a file of any size goes into a conversation and comes out of it the same`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    let folder = try SampleFile.directory("saved", in: scratch)
    for count in [0, 1, 65_535, 65_536, 65_537, 8 * 65_536 + 1, 10 << 20] {
      let file = try SampleFile(count, named: "canary-name-\(count).bin", in: scratch)
      try alice.run("send", "Bob", "--file", file.path)
      let saved = try bob.run("save", "Alice", "--to", folder)
      #expect(saved.lines == ["\(folder)/\(file.name)"])
      #expect(file.equals("\(folder)/\(file.name)"), "\(count) bytes")
      // Who sent it can have it back, and nothing is written over.
      #expect(try bob.attempt(["save", "Alice", "--to", folder]).status == 73)
      try alice.run("save", "Bob", "--to", "\(folder)/again-\(count)")
      #expect(file.equals("\(folder)/again-\(count)"))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).allSatisfy { !$0.hasSuffix(".part") })
    #expect(try bob.history("Alice").filter { $0.kind == "file" }.count == 7)
    // The server has neither a name nor a piece of a content, at rest or while they passed.
    let canaries = [Canary("file name", text: "canary-name"), Canary("content", bytes: SampleFile.mark)]
    for file in try server.storedFiles() { #expect(hits(canaries, in: file.bytes).isEmpty, "\(file.name)") }
    #expect(hits(canaries, in: try server.tappedBytes()).isEmpty)
    #expect(hits(canaries, in: [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/again-65536")))) == ["content (raw)"])
  }

  @Test func `an upload goes on where it ended when the client or the server is killed, and is sent once`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch, isTapped: false)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    let file = try SampleFile(40 << 20, named: "film.bin", in: scratch)
    // Killed each time when the server has so much.
    for (mark, isClient) in [(9 << 20, true), (18 << 20, false), (27 << 20, true)] {
      let sending = try alice.start(["send", "Bob", "--file", file.path, "--timeout", "60"])
      while try server.objectByteCount() < mark, sending.process.isRunning { usleep(1_000) }
      #expect(sending.process.isRunning, "killed in the middle: \(sending.errors)")
      if isClient {
        sending.kill()
      } else {
        server.kill()
        try server.start()
        // The same client goes on by itself.
        while try server.objectByteCount() < mark + (1 << 20), sending.process.isRunning { usleep(1_000) }
        sending.kill()
      }
    }
    let outcome = try alice.run("send", "Bob", "--file", file.path)
    #expect(outcome.errors.contains("Going on at"))
    #expect(try server.objectCount() == 1)
    let path = scratch.url.appending(path: "film-saved.bin").path
    try bob.run("save", "Alice", "--to", path)
    #expect(file.equals(path))
    #expect(try bob.history("Alice").filter { $0.kind == "file" }.count == 1)
  }

  @Test func `a file that was changed between two attempts is sent anew, and never mixed`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch, isTapped: false)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    let file = try SampleFile(24 << 20, named: "notes.bin", in: scratch)
    let sending = try alice.start(["send", "Bob", "--file", file.path])
    while try server.objectByteCount() < 9 << 20, sending.process.isRunning { usleep(1_000) }
    #expect(sending.process.isRunning)
    sending.kill()
    try file.change(at: 1_000)
    let outcome = try alice.run("send", "Bob", "--file", file.path)
    #expect(!outcome.errors.contains("Going on at"))
    let path = scratch.url.appending(path: "notes-saved.bin").path
    try bob.run("save", "Alice", "--to", path)
    #expect(file.equals(path))
    // What the first attempt had left is deleted.
    #expect(try server.objectCount() == 1)
  }

  @Test func `a download goes on where it ended when the client or the server is killed`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch, isTapped: false)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    let file = try SampleFile(40 << 20, named: "film.bin", in: scratch)
    try alice.run("send", "Bob", "--file", file.path)
    try bob.run("sync")
    let folder = try SampleFile.directory("saved", in: scratch)
    for (mark, isClient) in [(9 << 20, true), (18 << 20, false), (27 << 20, true)] {
      let saving = try bob.start(["save", "Alice", "--to", folder, "--timeout", "60"])
      while try SampleFile.byteCount(in: folder) < mark, saving.process.isRunning { usleep(1_000) }
      #expect(saving.process.isRunning, "killed in the middle: \(saving.errors)")
      if !isClient {
        server.kill()
        try server.start()
        while try SampleFile.byteCount(in: folder) < mark + (1 << 20), saving.process.isRunning { usleep(1_000) }
      }
      saving.kill()
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/film.bin"), "a file has its name when it is whole")
    }
    let outcome = try bob.run("save", "Alice", "--to", folder)
    #expect(outcome.errors.contains("Going on at"))
    #expect(file.equals("\(folder)/film.bin"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["film.bin"])
  }

  @Test func `what the server changed, cut or lost is no file`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch, isTapped: false)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    let file = try SampleFile(1 << 20, named: "plan.bin", in: scratch)
    try alice.run("send", "Bob", "--file", file.path)
    let folder = try SampleFile.directory("saved", in: scratch)
    let object = try #require(try server.objectFiles().first)
    let good = try Data(contentsOf: object)
    let header = 16
    let segment = 65_552
    var changed = good
    changed[header + 5 * segment + 7] ^= 1
    var swapped = good
    swapped.replaceSubrange(header..<header + segment, with: good[(header + segment)..<(header + 2 * segment)])
    swapped.replaceSubrange((header + segment)..<(header + 2 * segment), with: good[header..<header + segment])
    let cut = good.prefix(good.count - segment)
    for bad in [changed, swapped, cut] {
      try bad.write(to: object)
      let outcome = try bob.attempt(["save", "Alice", "--to", folder])
      #expect(outcome.status == 65, "\(outcome.errors)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
    try good.write(to: object)
    try bob.run("save", "Alice", "--to", folder)
    #expect(file.equals("\(folder)/plan.bin"))
    try FileManager.default.removeItem(at: object)
    #expect(try bob.attempt(["save", "Alice", "--to", "\(folder)/other"]).status == 66)
  }

  @Test func `the memory of both programs does not grow with the file`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch, isTapped: false)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    var peaks: [[Int]] = []
    // `SOTTO_FILE_MIB` asks for a larger one.
    let environment = ProcessInfo.processInfo.environment
    let largeMiB = environment["SOTTO_FILE_MIB"].flatMap { Int($0) }.map { max(64, min($0, 4_096)) } ?? 64
    // The first one shows what the programs need at all.
    for count in [4 << 20, largeMiB << 20] {
      let file = try SampleFile(count, named: "file-\(count).bin", in: scratch)
      let sent = try alice.start(["send", "Bob", "--file", file.path]).peakKiB()
      let path = scratch.url.appending(path: "saved-\(count).bin").path
      let saved = try bob.start(["save", "Alice", "--to", path]).peakKiB()
      #expect(file.equals(path))
      peaks.append([sent, saved, try server.peakKiB()])
    }
    for (first, second) in zip(peaks[0], peaks[1]) {
      // At most a quarter of the file; a copy of it, or a queue of its pieces, would be several times as much.
      #expect(second - first < 16 << 10, "KiB of sender, receiver, server: \(peaks)")
    }
    print("4 MiB and \(largeMiB) MiB, most KiB of sender, receiver, server: \(peaks)")
  }
}
