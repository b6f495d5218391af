import Foundation
import Testing

extension EndToEndTests {
  @Test func `each mistake of an operator's is named for what it is, with something to do about it`() throws {
    let scratch = try Scratch()
    let server = try OperatedServer(in: scratch)
    func fails(
      _ arguments: [String], with status: Int32, _ words: String..., input: String = "", location: SourceLocation = #_sourceLocation
    ) throws {
      let outcome = try Programs.run("sotto-server", arguments, input: input, in: scratch.url)
      #expect(outcome.status == status, "\(arguments): \(outcome.errors)", sourceLocation: location)
      #expect(outcome.errors.hasPrefix("error: "), "\(outcome.errors)", sourceLocation: location)
      for words in words { #expect(outcome.errors.contains(words), "\(outcome.errors)", sourceLocation: location) }
    }
    let (nowhere, data) = (scratch.url.appending(path: "nowhere").path, server.data.path)
    let key = try #require(try server.command("reports", "init").lines.first)
    let reports = "there is no report of this name"
    try fails(["reports", "read", "--data", data, "abc"], with: 66, reports, "reports list", input: key)
    try fails(["reports", "delete", "--data", data, "abc"], with: 66, reports)
    for arguments in [["list"], ["delete", "abc"]] {
      try fails(["reports"] + arguments + ["--data", nowhere], with: 66, "no server's data in this directory")
    }
    for (listen, reason) in [
      ("h:99999", "no port from 0 to 65535"), ("h", "is not HOST:PORT"), ("::1:3", "stands in brackets"), (":80", "has no host"),
    ] {
      try fails(["serve", "--data", nowhere, "--listen", listen], with: 64, reason)
      try fails(["serve", "--data", nowhere, "--set", "listen=\(listen)"], with: 78, reason)
    }
    try fails(["frobnicate"], with: 64, "Unexpected argument")

    // A first start that comes to nothing leaves nothing that a restore would find in its way.
    try fails(["serve", "--data", nowhere, "--listen", "127.0.0.1:\(server.port)"], with: 69, "the port is taken")
    try fails(["serve", "--data", nowhere, "--listen", "192.0.2.1:\(server.port)"], with: 69, "this machine has no such address")
    try fails(["serve", "--data", nowhere, "--listen", "nobody.invalid:8443"], with: 69, "the name stands for no address")
    #expect(!FileManager.default.fileExists(atPath: nowhere))

    #expect(server.stop()?.status == 0)
    try fails(["new-database", "--data", data], with: 73, "there is a database already", "server.sqlite is lost")
  }

  @Test func `a profile that cannot be registered says what was kept`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let link = try server.registrationLink()
    server.kill()
    let profile = scratch.url.appending(path: "profile").path
    let arguments = ["--profile", profile, "--key-file", profile + ".key", "init", "--name", "Ada", "--server", link]
    let outcome = try Programs.run("sotto", arguments, in: scratch.url)
    #expect(outcome.status == 69 && outcome.errors.contains("nothing was kept, and the link was not used"), "\(outcome.errors)")
    #expect(outcome.output.isEmpty && !FileManager.default.fileExists(atPath: profile))
    try server.start()
    #expect(try Programs.run("sotto", arguments, in: scratch.url).status == 0)
    let empty = try Programs.run("sotto", ["--profile", profile, "--key-file", profile + ".key", "group", "create", ""], in: scratch.url)
    #expect(empty.status == 65 && empty.errors.hasSuffix("hint: write something\n"), "\(empty.errors)")
  }

  @Test(.enabled(if: getuid() == 0, "only root can make somebody else's directory"))
  func `what root makes in a server's directory belongs to the directory's owner, and a backup of root's to root`() throws {
    let scratch = try Scratch()
    let server = try OperatedServer(in: scratch)
    #expect(server.stop()?.status == 0)
    let (data, copy) = (server.data, scratch.url.appending(path: "copies"))
    try FileManager.default.createDirectory(at: copy, withIntermediateDirectories: false)
    func give(_ path: URL) throws {
      try FileManager.default.setAttributes([.ownerAccountID: 65_534, .groupOwnerAccountID: 65_534], ofItemAtPath: path.path)
    }
    for name in try FileManager.default.subpathsOfDirectory(atPath: data.path) { try give(data.appending(path: name)) }
    for folder in [data, copy] { try give(folder) }
    #expect(try server.command("reports", "init").status == 0)
    #expect(try server.command("invite").status == 0)
    #expect(try server.command("backup", arguments: [copy.appending(path: "one").path]).status == 0)
    let restored = copy.appending(path: "restored")
    try FileManager.default.createDirectory(at: restored, withIntermediateDirectories: false)
    try give(restored)
    let outcome = try Programs.run(
      "sotto-server", ["restore", "--data", restored.path, copy.appending(path: "one").path], in: scratch.url)
    #expect(outcome.status == 0, "\(outcome.errors)")
    for folder in [data, copy] {
      let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
      #expect(names.count > 5)
      for name in names {
        let owner = try FileManager.default.attributesOfItem(atPath: folder.appending(path: name).path)[.ownerAccountID] as? Int
        #expect(owner == (name.hasPrefix("one") ? 0 : 65_534), "\(name)")
      }
    }
  }
}
