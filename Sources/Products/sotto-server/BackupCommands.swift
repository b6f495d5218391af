import ArgumentParser
import ServerStorage

/// `sotto-server backup`
struct BackupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Copy everything into a new directory; the server may be running.",
    discussion: """
      The copy holds everything that was accepted before the command began. It appears under its name when it is complete, \
      on disk and verified. Where there is not room for all of it, nothing is written (exit code 75). With the keys in it, it is \
      worth as much to a thief as the server's own disk; --without-keys and --keys-only make two copies to keep in two places.
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
    let size = try await withWords {
      let directory = ServerDirectory(data.directory)
      let size = try directory.backUp(to: destination, parts: withoutKeys ? .withoutKeys : keysOnly ? .keysOnly : .everything)
      guard !keysOnly else { return size }
      do throws(ServerStorageError) { try directory.rememberBackup(at: SystemClock().secondsSince1970()) } catch {
        // The copy is whole, and lies elsewhere.
        guard error == .diskFull else { throw error }
        Output.note("note: the server's own disk is full, so status does not know of this backup")
      }
      return size
    }
    if json {
      Output.print(json: Made(path: destination, databaseBytes: size.database, fileBytes: size.files, freeBytes: size.free))
    } else {
      Output.print(destination)
      if !keysOnly { Output.print(words(size)) }
    }
    let limits = (try? data.limits(unknown: .standard)) ?? .standard
    if size.isOnServersDisk, let free = size.free, free < limits.minimumFreeByteCount {
      Output.note(
        "note: \(Quantity.rough(bytes: free)) are left free of the server's own disk, less than storage.free, so it takes nothing more")
    }
  }

  private func words(_ size: BackupSize) -> String {
    "database \(Quantity.rough(bytes: size.database)), files \(Quantity.rough(bytes: size.files))"
      + (size.free.map { "; \(Quantity.rough(bytes: $0)) are free beside it" } ?? "")
  }

  private struct Made: Encodable {
    var path: String
    var databaseBytes: Int
    /// In whole blocks, directories included.
    var fileBytes: Int
    /// Where the copy lies, with the copy there.
    var freeBytes: Int?
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
