import Foundation
import MailboxServer
import Testing

@testable import MailboxClient

@Suite struct CertifiedTests {
  private static let openssl = "/usr/bin/openssl"

  /// A certificate for a host, which is its own authority.
  private func issue(_ host: String, in folder: URL) throws -> (material: TLSMaterial, pem: [UInt8]) {
    let (certificate, key) = (folder.appending(path: "\(host).crt"), folder.appending(path: "\(host).key"))
    let process = Process()
    process.executableURL = URL(filePath: Self.openssl)
    process.arguments = [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=x", "-addext",
      "subjectAltName=DNS:\(host)", "-keyout", key.path, "-out", certificate.path,
    ]
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key.path)
    return (
      try TLSMaterial.load(certificateFile: certificate.path, keyFile: key.path), [UInt8](try Data(contentsOf: certificate))
    )
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: openssl), "openssl is not installed"))
  func `a certified server is believed for its own name and by a known authority, and in no other case`() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sotto-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (right, other) = (try issue("localhost", in: folder), try issue("elsewhere.example", in: folder))

    func ask(_ shown: TLSMaterial, _ authorities: CertificateAuthorities) async throws -> [UInt8] {
      try await withServer(ProofApplication(), material: shown) { running in
        let endpoint = ServerEndpoint(host: "localhost", port: running.port, trust: .certified(by: authorities))
        return try await ServerConnection.fetchIdentityProof(endpoint, nonce: "abc")
      }
    }
    #expect(try await ask(right.material, .only(pem: right.pem)) == Array("proof of abc".utf8))
    for (shown, authorities) in [
      (right.material, CertificateAuthorities.system), (right.material, .only(pem: other.pem)), (other.material, .only(pem: other.pem)),
    ] { await #expect(throws: ClientError.self) { try await ask(shown, authorities) } }
  }
}

private struct ProofApplication: MailboxApplication {
  func call(_ request: [UInt8]) async -> CallAnswer { .malformed }
  func identityStatement() async -> [UInt8] { [] }
  func identityProof(nonce: String) async -> CallAnswer { .reply(Array("proof of \(nonce)".utf8)) }
  func openStream() async -> any StreamSession { NoStream() }

  private struct NoStream: StreamSession {
    func start(wake: @escaping @Sendable () -> Void) async -> [StreamOutput] { [.close(malformed: false)] }
    func receive(_ message: [UInt8]) async -> [StreamOutput] { [] }
    func wake() async -> [StreamOutput] { [] }
    func closed() async {}
  }
}
