import ArgumentParser
import Foundation
import SottoKit

struct SaveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "save", abstract: "Save a file that somebody has sent.",
    discussion: """
      Without a number it saves the newest file of the conversation; sotto read shows the number of each. The file gets its name when it is whole and \
      has been checked; when it was interrupted, the same command goes on where it ended. Prints the file's path.
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The contact, or the title of the group.")
  var name: String
  @Argument(help: "The number of the file's message.")
  var number: UInt64?
  @Option(help: ArgumentHelp("A directory, or another name for the file; without it the current directory.", valueName: "path"))
  var to: String = "."
  @Flag(help: "Replace a file that has the name already.")
  var overwrite = false

  func run() async throws {
    try await options.withProfile { sotto in
      let conversation = try await sotto.conversation(named: name)
      // The one that is meant may still wait at the server; if that is away, the error comes with the file. What is held up there is
      // another matter.
      do throws(SottoError) { try await sotto.synchronize(timeout: min(options.patience, .seconds(10))) } catch {
        guard error.delay != nil else { throw error }
      }
      guard let attachment = try await find(in: conversation, sotto) else {
        throw CommandFailure(
          text: number == nil ? "there is no file in this conversation" : "the message of this number is no file",
          hint: "sotto read NAME --all shows the files and their numbers", exitCode: Exit.notFound)
      }
      let path = try await FileMeter.show(of: attachment.name) { meter in
        try await sotto.save(
          attachment, from: conversation.id, to: to, replacing: overwrite, patience: options.patience, progress: meter)
      }
      Terminal.print(DisplayText.line(path))
    }
  }

  /// The file of this number, or the newest one.
  private func find(in conversation: ConversationSummary, _ sotto: Sotto) async throws -> Attachment? {
    let entries =
      if let number {
        try await sotto.history(of: conversation.id, after: number == 0 ? nil : number - 1, limit: 1).filter { $0.position == number }
      } else {
        try await sotto.latest(in: conversation.id)
      }
    for entry in entries.reversed() {
      if case .attachment(let attachment) = entry.kind { return attachment }
    }
    return nil
  }
}
