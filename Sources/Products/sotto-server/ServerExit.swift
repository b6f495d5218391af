/// What this program ends with: codes of `sysexits.h`, and 1 for what was looked for and found.
///
/// The page of commands lists them all (docs/operating.md); a test holds it against these.
enum ServerExit: Int32, CaseIterable {
  case done = 0
  case found = 1
  /// ArgumentParser's own.
  case usage = 64
  case badData = 65
  case noInput = 66
  case unavailable = 69
  case softwareError = 70
  case systemError = 71
  case cannotCreate = 73
  case diskError = 74
  case tryAgain = 75
  case notPermitted = 77
  case badSettings = 78

  var meaning: String {
    switch self {
    case .done: "done"
    case .found: "breach-drill or search found something"
    case .usage: "usage"
    case .badData: "damaged or foreign data"
    case .noInput: "no data there"
    case .unavailable:
      "not there: the address or port cannot be had, no server runs (`status`), or a place could not be searched (`breach-drill`)"
    case .softwareError: "the drill came to no result"
    case .systemError: "the system refuses"
    case .cannotCreate: "something is there already"
    case .diskError: "the disk failed"
    case .tryAgain: "not now: no room, or another server uses the data"
    case .notPermitted: "files that others may read"
    case .badSettings: "wrong settings"
    }
  }
}
