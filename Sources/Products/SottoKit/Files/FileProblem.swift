import Foundation
import SottoProtocol
import SystemFiles

/// Why a file was not sent, or not saved.
public enum FileProblem: Error, Equatable, Sendable {
  /// The system's error number.
  case unreadable(errno: Int32)
  /// A directory, a pipe, a device.
  case notAFile
  case tooLarge
  /// It was written to while it was being sent.
  case changed
  /// There is a file of this name already.
  case exists
  /// The system's error number.
  case unwritable(errno: Int32)
  /// Another process is saving the same file to the same place.
  case inUse
  /// The server has it no more.
  case gone
  /// What the server gave is not the file that was sent.
  case damaged
  /// The server has no room for it.
  case serverFull
  /// The server does not take files from this profile.
  case refused
  /// This device has had as many tokens as the server gives in a month.
  case quotaUsedUp

  var text: String {
    switch self {
    case .unreadable(ENOENT): "there is no such file"
    case .unreadable(EACCES): "the system does not let this program read the file"
    case .unreadable(let errno): "the file cannot be read (error \(errno))"
    case .notAFile: "this is not a file"
    case .tooLarge: "the file is larger than \(Limits.attachmentByteCount >> 30) GiB"
    case .changed: "the file was changed while it was being sent"
    case .exists: "there is a file of this name already"
    case .unwritable(ENOENT): "the place to save it does not exist"
    case .unwritable(let errno) where SystemFailure(errno: errno).isFull: "the disk is full, or what this user may have of it"
    case .unwritable(let errno): "the file cannot be written (error \(errno))"
    case .inUse: "another process is saving this file"
    case .gone: "the server does not have the file any more"
    case .damaged: "what the server gave is not the file that was sent"
    case .serverFull: "the server has no room for files at present"
    case .refused: "the server does not take the file from this profile"
    case .quotaUsedUp: "what this device may upload in a month is used up"
    }
  }

  var hint: String {
    switch self {
    case .unreadable: "look at its name and its permissions"
    case .notAFile: "name a regular file; put a directory into an archive first"
    case .tooLarge: "send it in parts"
    case .changed: "send it again when nothing writes to it; nothing was sent"
    case .exists: "choose another name or place"
    case .unwritable(ENOENT): "make the directory, or name another place"
    case .unwritable: "look at the permissions and the free space of the place"
    case .inUse: "wait for it"
    case .gone: "ask for it again: files are kept for a limited time"
    case .damaged: "try again; if it stays, ask for it again, and ask whoever runs the server"
    case .serverFull: "try again later, or ask whoever runs the server"
    case .refused: "ask whoever runs the server"
    case .quotaUsedUp: "try again later, or ask whoever runs the server"
    }
  }
}

/// How far a file has come.
public struct FileProgress: Equatable, Sendable {
  /// Bytes of the file that are there.
  public var byteCount: UInt64
  public var totalByteCount: UInt64
  /// Where it went on, when an earlier attempt was cut off.
  public var resumedAt: UInt64
}
