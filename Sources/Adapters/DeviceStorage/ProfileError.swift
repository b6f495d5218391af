/// Why a profile could not be made or opened. No case carries a path, a name or a secret.
public enum ProfileError: Error, Equatable, Sendable {
  /// There is no profile in this directory.
  case missing
  /// There is one already.
  case exists
  /// The directory holds other things than a profile.
  case notEmpty
  /// Another process has the profile open.
  case inUse
  /// The passphrase or key file is not the one that the profile was made with.
  case wrongKey
  /// The profile was made with the other kind of key.
  case wrongKindOfKey
  /// Others than its owner may read or change the key file.
  case exposed
  /// The profile was changed or cut, or a part of it is gone.
  case damaged
  /// The profile was made by a newer program, or asks for more memory than this one gives a passphrase.
  case unsupported
  /// The system refused to read or to write: its error number.
  case system(errno: Int32)
}
