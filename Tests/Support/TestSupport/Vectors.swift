public import Foundation

/// Published test vectors, which are not part of the repository (`make vectors` fetches them).
public enum Vectors {
  public enum Failure: Error {
    /// The vectors are not there although the environment says that they must be.
    case missing(String)
  }

  /// The directory with the vectors: `SOTTO_VECTORS`, or `shared/vectors` beside a directory above this file.
  public static let directory: URL? = {
    if let path = ProcessInfo.processInfo.environment["SOTTO_VECTORS"] { return URL(filePath: path) }
    var folder = URL(filePath: #filePath).deletingLastPathComponent()
    while folder.path != "/" {
      folder.deleteLastPathComponent()
      let candidate = folder.appending(path: "shared/vectors")
      if FileManager.default.fileExists(atPath: candidate.path) { return candidate }
    }
    return nil
  }()

  /// Whether a test without its vectors is a failure, as on the build server.
  public static var areRequired: Bool { ProcessInfo.processInfo.environment["CI"] == "true" }

  /// The cases of one file, such as `mls/tree-math.json`.
  ///
  /// - Returns: nil, with a line on standard output, when the file is not there and need not be.
  /// - Throws: ``Failure`` when it must be there; a decoding error when its content is something else.
  public static func load<Content: Decodable>(_ path: String, as: Content.Type = Content.self) throws -> Content? {
    guard let data = directory.flatMap({ try? Data(contentsOf: $0.appending(path: path)) }) else {
      if areRequired { throw Failure.missing(path) }
      print("vectors: \(path): LEFT OUT, the file is not there; run `make vectors`")
      return nil
    }
    return try JSONDecoder().decode(Content.self, from: data)
  }

  /// Further files that a reader has fetched: each `*.json` in or below the folder that `SOTTO_MORE_VECTORS` names. Nothing
  /// requires them, not even on the build server.
  ///
  /// - Returns: nil, with a line on standard output, when no folder is named.
  public static func more() -> [URL]? {
    guard let path = ProcessInfo.processInfo.environment["SOTTO_MORE_VECTORS"] else {
      print("vectors: further ones: LEFT OUT, SOTTO_MORE_VECTORS names no folder; `scripts/vectors` says where to get them")
      return nil
    }
    let found = FileManager.default.enumerator(at: URL(filePath: path), includingPropertiesForKeys: nil)
    let files = (found?.allObjects ?? []).compactMap { $0 as? URL }.filter { $0.pathExtension == "json" }
    if files.isEmpty { print("vectors: further ones: LEFT OUT, there is no *.json below \(path)") }
    return files.sorted { $0.path < $1.path }
  }
}

/// Counts the cases of one vector file and says at the end how many ran.
public struct CaseCounter {
  private let file: String
  private var reasons: [String: Int] = [:]
  /// How many cases ran.
  public private(set) var ran = 0

  public init(_ file: String) { self.file = file }

  /// One case was run.
  public mutating func run() { ran += 1 }

  /// One case was not run, for this reason.
  public mutating func passOver(_ reason: String) { reasons[reason, default: 0] += 1 }

  /// Prints `vectors: <file>: N ran, M passed over (reason)`.
  public func report() {
    let passedOver = reasons.values.reduce(0, +)
    let why = reasons.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: "; ")
    print("vectors: \(file): \(ran) ran, \(passedOver) passed over" + (why.isEmpty ? "" : " (\(why))"))
  }
}

/// Bytes written as hexadecimal in a vector file.
public struct HexBytes: Decodable, Sendable, Hashable {
  public let bytes: [UInt8]

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let bytes = TestSupport.bytes(hex: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not hexadecimal")
    }
    self.bytes = bytes
  }
}

/// The bytes that `hex` spells, or nil when it is not hexadecimal.
public func bytes(hex: String) -> [UInt8]? {
  func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
  let digits = Array(hex.utf8)
  guard digits.count.isMultiple(of: 2) else { return nil }
  var bytes: [UInt8] = []
  bytes.reserveCapacity(digits.count / 2)
  for index in stride(from: 0, to: digits.count, by: 2) {
    guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
    bytes.append(high << 4 | low)
  }
  return bytes
}
