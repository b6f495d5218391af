import ArgumentParser
import Foundation
import Testing

@testable import sotto

@Suite struct ArgumentTests {
  private func parse<Command: ParsableCommand>(_ arguments: String..., as: Command.Type = Command.self) throws -> Command {
    try #require(try SottoCommand.parseAsRoot(arguments) as? Command)
  }

  @Test func `options stand before or after the command`() throws {
    for arguments in [
      ["--profile", "p", "--timeout", "3", "send", "Bob", "hi"], ["send", "--profile", "p", "--timeout", "3", "Bob", "hi"],
      ["send", "Bob", "hi", "--profile", "p", "--timeout", "3"], ["--profile", "p", "send", "Bob", "--timeout", "3", "hi"],
    ] {
      let command = try #require(try SottoCommand.parseAsRoot(arguments) as? SendCommand)
      #expect(command.options.directory == "p")
      #expect(command.options.patience == .seconds(3))
      #expect(command.name == "Bob")
      #expect(command.text == ["hi"])
    }
  }

  @Test func `a text may be many words, begin with a dash after --, or be standard input`() throws {
    #expect(try parse("send", "Bob", "tea", "at", "four", as: SendCommand.self).text == ["tea", "at", "four"])
    #expect(try parse("send", "Bob", "--", "--profile", "x", as: SendCommand.self).text == ["--profile", "x"])
    #expect(try parse("send", "Bob", "-", as: SendCommand.self).text == ["-"])
  }

  @Test func `a link can be left to standard input`() throws {
    #expect(try parse("init", "--name", "Ada", "--server", "-", as: InitCommand.self).server == "-")
    #expect(try parse("accept", "-", as: AcceptCommand.self).invitation == "-")
  }

  @Test func `contacts and group list when nothing else is said`() throws {
    _ = try parse("contacts", as: ListContacts.self)
    _ = try parse("contacts", "list", as: ListContacts.self)
    _ = try parse("group", as: ListGroups.self)
    #expect(try parse("contacts", "--json", as: ListContacts.self).json)
    let confirm = try parse("contacts", "confirm", "Bob", "--as", "Robert", as: ConfirmContact.self)
    #expect(confirm.name == "Bob" && confirm.newName == "Robert")
    #expect(try parse("group", "create", "Choir", "Ada", "Bob", as: CreateGroup.self).names == ["Ada", "Bob"])
  }

  @Test func `what contradicts itself is usage`() {
    for arguments in [
      ["read", "--wait", "1", "--offline"], ["read", "--limit", "0"], ["verify", "Bob", "--mark", "--unmark"], ["send", "Bob"],
      ["frobnicate"], ["--timeout", "-1", "sync"], ["chat", "Bob", "--last=-1"], ["init", "--name", "Ada"],
    ] {
      do {
        _ = try SottoCommand.parseAsRoot(arguments)
        Issue.record("\(arguments) was taken")
      } catch { #expect(SottoCommand.exitCode(for: error).rawValue == 64, "\(arguments)") }
    }
  }

  @Test func `nothing that the program holds goes into a core dump`() async {
    // In a process of its own: the settings would hold for all other tests.
    await #expect(processExitsWith: .success) {
      ProcessSettings.apply()
      var limit = rlimit(rlim_cur: 1, rlim_max: 1)
      // `unsafe`: the system fills the value during the call.
      let isKnown = unsafe getrlimit(ProcessSettings.coreDumps, &limit) == 0
      exit(isKnown && limit.rlim_cur == 0 && limit.rlim_max == 0 ? EXIT_SUCCESS : EXIT_FAILURE)
    }
  }

  @Test func `a time by anybody's clock can be shown`() {
    #expect(EntryPrinter.localTime(.max).contains("?"))
    #expect(EntryPrinter.universalTime(.max).isEmpty)
    #expect(EntryPrinter.universalTime(0) == "1970-01-01T00:00:00Z")
    #expect(EntryPrinter.universalTime(253_402_300_799_999).hasPrefix("9999-12-31"))
    #expect(!EntryPrinter.localTime(253_402_300_799_999).isEmpty)
  }
}
