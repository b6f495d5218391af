import ArgumentParser
import ServerStorage

/// `sotto-server backup`
struct BackupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Copy everything into a new directory; the server may be running.",
    discussion: """
      The copy holds everything that was accepted before the command began. It appears under its name when it is complete, \
      on disk and verified. With the keys in it, it is worth as much to a thief as the server's own disk; --without-keys and \
      --keys-only make two copies to keep in two places.
      """)

  @OptionGroup var data: DataOptions

  @Argument(help: ArgumentHelp("A directory that is not there yet.", valueName: "dir"))
  var destination: String

  @Flag(help: "Leave out the keys, the certificate and the address.")
  var withoutKeys = false

  @Flag(help: "Only the keys, the certificate and the address; they change seldom.")
  var keysOnly = false

  @Flag(help: "One object, for a script.")
  var json = false

  func validate() throws {
    if withoutKeys && keysOnly { throw ValidationError("--without-keys and --keys-only leave nothing") }
  }

  func run() async throws {
    ProcessSettings.apply()
    try await withWords {
      let directory = ServerDirectory(data.directory)
      try directory.backUp(to: destination, parts: withoutKeys ? .withoutKeys : keysOnly ? .keysOnly : .everything)
      guard !keysOnly else { return }
      do throws(ServerStorageError) { try directory.rememberBackup(at: SystemClock().secondsSince1970()) } catch {
        // The copy is whole, and lies elsewhere.
        guard error == .diskFull else { throw error }
        Output.note("note: the server's own disk is full, so status does not know of this backup")
      }
    }
    Output.print(path: destination, asJSON: json)
  }
}

/// `sotto-server restore`
struct RestoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Make the server's directory from a backup; it must be empty or missing.",
    discussion: """
      Stop the old server first, for good: two servers from one backup would both be the one that links name. Messages that \
      were acknowledged after the backup come again, and devices drop them; messages that were accepted after it are lost.
      """)

  @OptionGroup var data: DataOptions

  @Argument(help: ArgumentHelp("The backup.", valueName: "dir"))
  var source: String

  @Option(help: ArgumentHelp("The backup that has the keys, if they were kept apart.", valueName: "dir"))
  var keys: String?

  @Flag(help: "One object, for a script.")
  var json = false

  func run() async throws {
    ProcessSettings.apply()
    try await withWords { try ServerDirectory(data.directory).restore(from: source, keys: keys) }
    Output.print(path: data.directory, asJSON: json)
  }
}
