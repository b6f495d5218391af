import Foundation
import Testing

extension EndToEndTests {
  @Test func `two people meet by a link, write both ways, and see the same safety number`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    let link = try #require(try alice.run("invite", "--for", "Bob").lines.first { $0.hasPrefix("sotto://") })
    try bob.run("accept", link)
    try alice.run("sync")

    // Nothing goes out before a human has said who that is.
    let early = try alice.attempt(["send", "Bob", "too early"])
    #expect(early.status == 77)
    #expect(early.errors.contains("confirm"))
    try alice.run("contacts", "confirm", "Bob")

    try alice.run("send", "Bob", "hello", "Bob")
    try bob.run("sync")
    try bob.run("send", "Alice", "-", input: "hello from standard input\n")
    #expect(try alice.texts("Bob") == ["Alice: hello Bob", "Bob: hello from standard input"])
    #expect(try bob.texts("Alice") == ["Alice: hello Bob", "Bob: hello from standard input"])
    #expect(try alice.run("verify", "Bob").output == bob.run("verify", "Alice").output)

    // The link worked once.
    let eve = try Person("Eve", at: server, in: scratch)
    let second = try eve.attempt(["accept", link])
    #expect(second.status != 0)
    #expect(!second.errors.isEmpty)
  }

  @Test func `an invitation that is made without the server shows its link later, once made and until used`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    #expect(try alice.run("invites").errors.contains("No invitation waits"))
    #expect(server.stop()?.status == 0)
    let queued = try alice.attempt(["invite", "--for", "Bob", "--timeout", "3"])
    #expect([69, 75].contains(queued.status) && queued.output.isEmpty)
    #expect(queued.errors.contains("The invitation is kept here") && queued.errors.contains("sotto invites"))
    let waiting = try alice.run("invites", "--offline")
    #expect(waiting.lines.count == 1 && waiting.output.contains("Bob") && waiting.output.contains("waits for the server"))
    // What it shows does not hide that the server was not there.
    let unreachable = try alice.attempt(["invites", "--timeout", "3"])
    #expect([69, 75].contains(unreachable.status) && unreachable.output == waiting.output)

    try server.start()
    #expect(try alice.run("sync").errors.contains("an invitation that had waited is ready: sotto invites"))
    struct Line: Decodable { var name: String, link: String?, until: String }
    let lines = try alice.run("invites", "--json").lines.map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
    let link = try #require(lines.first?.link)
    #expect(lines.count == 1 && lines[0].name == "Bob" && lines[0].until.count == 10)
    #expect(try alice.run("invites").output.contains(link))
    try bob.run("accept", link)
    try alice.run("sync")
    #expect(try alice.run("invites").output.isEmpty)
  }

  @Test func `chat sends the lines of a pipe, and shows what comes`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    try alice.run("chat", "Bob", input: "one\ntwo\nthree\n")
    #expect(try bob.run("read", "Alice", "--wait", "3").output.contains("three"))
    #expect(try bob.texts("Alice") == ["Alice: one", "Alice: two", "Alice: three"])
  }

  @Test func `who leaves a group is taken out by an owner's device`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    try alice.run("group", "create", "Choir", "Bob")
    try bob.run("sync")
    try bob.run("accept", "Choir")
    try alice.run("sync")
    try bob.run("sync")
    try bob.run("group", "leave", "Choir")
    try alice.run("sync")
    try bob.run("sync")
    #expect(try alice.history("Choir").contains { $0.kind == "removed" })
    let late = try bob.attempt(["send", "Choir", "still there?"])
    #expect(late.status != 0)
    // The only owner of a group with nobody else in it may go.
    try alice.run("group", "leave", "Choir")
  }

  @Test func `a text with terminal commands in it commands no terminal`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    try alice.run("send", "Bob", "-", input: "\u{1B}]0;owned\u{07}\u{1B}[2Jboo\u{9B}31m")
    let shown = try bob.run("read", "Alice").output
    #expect(shown.contains("boo"))
    #expect(!shown.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x07 || (0x80..<0xA0).contains($0.value) })
  }

  @Test func `every mistake says what to do, and has its exit code`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let alice = try Person("Alice", at: server, in: scratch)
    func fails(_ arguments: [String], with status: Int32, _ location: SourceLocation = #_sourceLocation) throws {
      let outcome = try alice.attempt(arguments)
      #expect(outcome.status == status, "\(arguments): \(outcome.errors)", sourceLocation: location)
      #expect(outcome.errors.lowercased().contains("error"), sourceLocation: location)
    }
    try fails(["send", "Nobody", "hi"], with: 66)
    try fails(["accept", "sotto://127.0.0.1:1/i#AAAA"], with: 65)
    try fails(["group", "add", "Nowhere", "Nobody"], with: 66)
    try fails(["verify"], with: 64)
    try fails(["frobnicate"], with: 64)
    let elsewhere = try Programs.run("sotto", ["--profile", scratch.url.appending(path: "none").path, "contacts"], in: scratch.url)
    #expect(elsewhere.status == 66)
    // Another key, then one that others may read.
    try Data(repeating: 7, count: 32).write(to: alice.keyFile)
    for mode in [0o600, 0o644] {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: alice.keyFile.path)
      try fails(["contacts"], with: 77)
    }
    #expect(try alice.attempt(["contacts"]).errors.contains("chmod 600"))
  }

  @Test func `a link is read from standard input, where no list of processes shows it`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let alice = try Person("Alice", at: server, in: scratch)
    let bob = try Person("Bob", at: server, in: scratch, linkInArguments: false)
    let link = try #require(try alice.run("invite", "--for", "Bob").lines.first { $0.hasPrefix("sotto://") })
    #expect(try bob.attempt(["accept", "-"], input: "\n\(link)\n").status == 65)
    #expect(try bob.attempt(["accept", "-"], input: "Choir\n").status == 65)
    try bob.run("accept", "-", input: "  \(link) \r\nmore\n")
    try alice.run("sync")
    try alice.run("contacts", "confirm", "Bob")
    try alice.run("send", "Bob", "hello")
    #expect(try bob.texts("Alice") == ["Alice: hello"])
  }

  @Test func `no profile is kept whose recovery key nobody has seen`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let link = try server.registrationLink()
    let (profile, key) = (scratch.url.appending(path: "profile").path, scratch.url.appending(path: "key").path)
    let arguments = ["--profile", profile, "--key-file", key, "init", "--name", "Ada", "--server", link]
    func initialize(redirection: String) throws -> Int32 {
      let process = Process()
      process.executableURL = URL(filePath: "/bin/sh")
      // The shell ends with the program's exit code.
      process.arguments = ["-c", "\"$0\" \"$@\" \(redirection)", try Programs.url("sotto").path] + arguments
      process.standardInput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      // Its reader is gone before the program begins.
      let pipe = Pipe()
      process.standardOutput = pipe
      try pipe.fileHandleForReading.close()
      try process.run()
      process.waitUntilExit()
      return process.terminationReason == .uncaughtSignal ? -process.terminationStatus : process.terminationStatus
    }
    // A full disk, a closed stream, and a pipe that nobody reads.
    for redirection in [">/dev/full", ">&-", ""] {
      #expect(try initialize(redirection: redirection) == 74, "\(redirection)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: profile) == [])
    }
    // The link still works.
    #expect(try initialize(redirection: ">/dev/null") == 0)
  }

  @Test func `a server says clearly what keeps it from starting`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let busy = try Programs.run(
      "sotto-server", ["serve", "--data", scratch.url.appending(path: "other").path, "--listen", "127.0.0.1:\(server.port)"],
      in: scratch.url)
    #expect(busy.status == 69)
    #expect(busy.errors.contains("\(server.port)"))
    let locked = try Programs.run("sotto-server", ["serve", "--data", server.data.path, "--listen", "127.0.0.1:0"], in: scratch.url)
    #expect(locked.status != 0)
    #expect(!locked.errors.isEmpty)
    let usage = try Programs.run("sotto-server", ["serve", "--listen", "nonsense", "--data", scratch.url.path], in: scratch.url)
    #expect(usage.status == 64)
  }

  @Test func `another server at the same address is refused`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    let port = server.port
    _ = server.stop()
    let other = scratch.url.appending(path: "impostor")
    let ready = scratch.url.appending(path: "impostor.ready")
    let impostor = try Programs.start(
      "sotto-server", ["serve", "--data", other.path, "--listen", "127.0.0.1:\(port)", "--ready-file", ready.path], in: scratch.url)
    while impostor.process.isRunning, !FileManager.default.fileExists(atPath: ready.path) { usleep(5_000) }
    let outcome = try alice.attempt(["send", "Bob", "for the real server only", "--timeout", "3"])
    impostor.kill()
    #expect([69, 75].contains(outcome.status), "\(outcome.errors)")
    try server.start()
    try alice.run("sync")
    #expect(try bob.texts("Alice") == ["Alice: for the real server only"])
  }
}
