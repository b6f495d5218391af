// swift-tools-version: 6.2
import PackageDescription

// Strict everywhere: what the compiler can rule out, no reader has to look for.
let settings: [SwiftSetting] = [
  .strictMemorySafety(), .treatAllWarnings(as: .error), .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

/// What targets need from outside, by the name that the source imports.
let outside: [String: Target.Dependency] = [
  "Crypto": .product(name: "Crypto", package: "swift-crypto"),
  "CryptoExtras": .product(name: "CryptoExtras", package: "swift-crypto"),
  "GRDB": .product(name: "GRDB", package: "GRDB.swift"),
  "HummingbirdCore": .product(name: "HummingbirdCore", package: "hummingbird"),
  "Logging": .product(name: "Logging", package: "swift-log"),
  "NIOCore": .product(name: "NIOCore", package: "swift-nio"),
  "NIOPosix": .product(name: "NIOPosix", package: "swift-nio"),
  "NIOHTTP1": .product(name: "NIOHTTP1", package: "swift-nio"),
  "NIOWebSocket": .product(name: "NIOWebSocket", package: "swift-nio"),
  "NIOTLS": .product(name: "NIOTLS", package: "swift-nio"),
  "NIOEmbedded": .product(name: "NIOEmbedded", package: "swift-nio"),
  "NIOSSL": .product(name: "NIOSSL", package: "swift-nio-ssl"),
  "X509": .product(name: "X509", package: "swift-certificates"),
  "SwiftASN1": .product(name: "SwiftASN1", package: "swift-asn1"),
  "ServiceLifecycle": .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
  "UnixSignals": .product(name: "UnixSignals", package: "swift-service-lifecycle"),
  "ArgumentParser": .product(name: "ArgumentParser", package: "swift-argument-parser"),
  "Configuration": .product(name: "Configuration", package: "swift-configuration"),
]

func dependencies(_ names: [String]) -> [Target.Dependency] {
  names.map { outside[$0] ?? .target(name: $0) }
}

/// A target whose folder is `Sources/<layer>/<name>`.
func target(_ layer: String, _ name: String, _ needs: [String] = []) -> Target {
  .target(name: name, dependencies: dependencies(needs), path: "Sources/\(layer)/\(name)", swiftSettings: settings)
}

func program(_ name: String, _ needs: [String]) -> Target {
  .executableTarget(name: name, dependencies: dependencies(needs), path: "Sources/Products/\(name)", swiftSettings: settings)
}

/// What several test targets share.
func support(_ name: String, _ needs: [String] = []) -> Target {
  .target(name: name, dependencies: dependencies(needs), path: "Tests/Support/\(name)", swiftSettings: settings)
}

func tests(_ path: String, _ name: String, _ needs: [String]) -> Target {
  .testTarget(name: name, dependencies: dependencies(needs), path: "Tests/\(path)", swiftSettings: settings)
}

let core = ["WireFormat", "CryptoSuite"]
let sockets = ["NIOCore", "NIOPosix", "NIOHTTP1", "NIOWebSocket", "NIOTLS", "NIOSSL"]

let package = Package(
  name: "sotto",
  platforms: [.macOS(.v26), .iOS(.v26)],
  products: [
    .library(name: "SottoKit", targets: ["SottoKit"]),
    .library(name: "MLS", targets: ["MLS", "CryptoSuite", "WireFormat"]),
    // For `Fuzzing/` and `Benchmarks/`, which are packages of their own.
    .library(name: "MailboxEngine", targets: ["MailboxEngine", "MailboxEngineTesting", "SottoProtocol", "CryptoSuite", "WireFormat"]),
    .library(name: "ServerStorage", targets: ["ServerStorage"]),
    .library(name: "MailboxServer", targets: ["MailboxServer", "Metering"]),
    .library(name: "MailboxClient", targets: ["MailboxClient"]),
    .library(name: "MLSTesting", targets: ["MLSTesting"]),
    .executable(name: "sotto", targets: ["sotto"]),
    .executable(name: "sotto-server", targets: ["sotto-server"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
    .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
    .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
  ],
  targets: [
    // Foundations: pure values, no I/O.
    target("Foundations", "WireFormat"),
    target("Foundations", "CryptoSuite", ["WireFormat", "Crypto", "CryptoExtras"]),
    target("Foundations", "Metering"),
    // The one exception: files, for the adapters and products alone.
    target("Foundations", "SystemFiles"),

    // Protocols: one target, one specification; bytes in, bytes out.
    target("Protocols", "MLS", core),
    target("Protocols", "SottoProtocol", core),

    // Engines: decisions over several protocols; they declare the storage that they need.
    target("Engines", "MailboxEngine", core + ["SottoProtocol", "Metering"]),
    target("Engines", "ConversationEngine", core + ["MLS", "SottoProtocol"]),

    // Adapters: touch the world, never each other.
    target("Adapters", "ServerStorage", core + ["SystemFiles", "SottoProtocol", "MailboxEngine", "GRDB"]),
    target("Adapters", "DeviceStorage", core + ["SystemFiles", "SottoProtocol", "ConversationEngine", "GRDB"]),
    target(
      "Adapters", "MailboxServer",
      sockets + [
        "CryptoSuite", "Metering", "SystemFiles", "HummingbirdCore", "X509", "SwiftASN1", "Logging", "ServiceLifecycle", "UnixSignals",
      ]),
    target("Adapters", "MailboxClient", sockets + ["CryptoSuite"]),
    .target(name: "CProcess", path: "Sources/Adapters/CProcess"),

    // Products.
    target("Products", "SottoKit", core + ["SystemFiles", "SottoProtocol", "ConversationEngine", "DeviceStorage", "MailboxClient"]),
    target(
      "Products", "BreachDrill",
      core + ["SottoProtocol", "ConversationEngine", "SottoKit", "ServerStorage"]),
    program("sotto", ["SottoKit", "ArgumentParser"]),
    // The server's commands as a library, so that a test's server can be made of them.
    .target(
      name: "SottoServer",
      dependencies: dependencies([
        "WireFormat", "CryptoSuite", "Metering", "SystemFiles", "SottoProtocol", "MailboxEngine", "ServerStorage", "MailboxServer",
        "CProcess", "BreachDrill", "ArgumentParser", "Configuration", "Logging", "UnixSignals",
      ]),
      path: "Sources/Products/sotto-server", swiftSettings: settings),
    .executableTarget(
      name: "sotto-server", dependencies: ["SottoServer"], path: "Sources/Products/sotto-server-program", swiftSettings: settings),

    // Tests, in the same folders.
    support("TestSupport"),
    support("MLSTesting", ["CryptoSuite", "MLS"]),
    support("MailboxEngineTesting", core + ["SottoProtocol", "MailboxEngine"]),
    support("MailboxStoreConformance", core + ["SottoProtocol", "MailboxEngine", "MailboxEngineTesting"]),
    support("DeviceStoreTesting", ["SottoProtocol", "ConversationEngine"]),
    support(
      "SimulatedWorld",
      core + ["MLS", "SottoProtocol", "MailboxEngine", "ConversationEngine", "MailboxEngineTesting", "DeviceStoreTesting", "TestSupport"]),
    // Disks with faults, under SQLite.
    .target(name: "CFaultyVFS", path: "Tests/Support/CFaultyVFS", linkerSettings: [.linkedLibrary("sqlite3")]),
    .executableTarget(
      name: "LeakyServer",
      dependencies: dependencies(["SottoProtocol", "MailboxServer", "MailboxClient", "BreachDrill", "SottoServer", "GRDB"]),
      path: "Tests/Support/LeakyServer", swiftSettings: settings),
    tests("Foundations/WireFormatTests", "WireFormatTests", ["WireFormat", "TestSupport"]),
    tests("Foundations/CryptoSuiteTests", "CryptoSuiteTests", core + ["TestSupport"]),
    tests("Foundations/SystemFilesTests", "SystemFilesTests", ["SystemFiles"]),
    tests("Foundations/MeteringTests", "MeteringTests", ["Metering", "TestSupport"]),
    tests("Protocols/MLSTests", "MLSTests", core + ["MLS", "TestSupport"]),
    tests("Protocols/MLSExamples", "MLSExamples", core + ["MLS"]),
    tests("Protocols/SottoProtocolTests", "SottoProtocolTests", core + ["SottoProtocol"]),
    .testTarget(
      name: "FuzzReplayTests",
      dependencies: dependencies(
        core + [
          "MLS", "SottoProtocol", "MailboxEngine", "MailboxEngineTesting", "Metering", "MailboxServer", "MailboxClient", "NIOCore",
          "NIOEmbedded", "NIOHTTP1", "NIOWebSocket", "TestSupport",
        ]),
      path: "Tests/Protocols/FuzzReplayTests", swiftSettings: settings),
    tests(
      "Engines/MailboxEngineTests", "MailboxEngineTests",
      core + ["SottoProtocol", "Metering", "MailboxEngine", "MailboxEngineTesting", "MailboxStoreConformance", "TestSupport"]),
    tests(
      "Engines/ConversationEngineTests", "ConversationEngineTests",
      core + ["SottoProtocol", "ConversationEngine", "DeviceStoreTesting", "TestSupport"]),
    tests(
      "Adapters/ServerStorageTests", "ServerStorageTests",
      core + [
        "SystemFiles", "SottoProtocol", "MailboxEngine", "ServerStorage", "MailboxEngineTesting", "MailboxStoreConformance",
        "CFaultyVFS", "GRDB",
      ]),
    tests(
      "Adapters/DeviceStorageTests", "DeviceStorageTests",
      ["CryptoSuite", "SottoProtocol", "ConversationEngine", "DeviceStorage", "DeviceStoreTesting", "GRDB"]),
    tests("Adapters/MailboxServerTests", "MailboxServerTests", sockets + ["Metering", "MailboxServer", "NIOEmbedded", "TestSupport"]),
    tests("Adapters/MailboxClientTests", "MailboxClientTests", sockets + ["MailboxServer", "MailboxClient", "NIOEmbedded"]),
    tests("Products/SottoKitTests", "SottoKitTests", ["CryptoSuite", "SottoProtocol", "ConversationEngine", "DeviceStorage", "SottoKit"]),
    tests("Products/BreachDrillTests", "BreachDrillTests", ["BreachDrill", "GRDB"]),
    tests(
      "Products/SottoServerTests", "SottoServerTests",
      ["SottoServer", "CryptoSuite", "MailboxEngine", "MailboxServer", "ServerStorage", "SottoProtocol", "WireFormat", "GRDB"]),
    tests("Products/SottoCommandTests", "SottoCommandTests", ["sotto", "ArgumentParser"]),
    tests(
      "Simulation", "SimulationTests",
      core + [
        "MLS", "SottoProtocol", "MailboxEngine", "ConversationEngine", "MailboxEngineTesting", "DeviceStoreTesting", "SimulatedWorld",
      ]),
    tests(
      "EndToEnd", "EndToEndTests",
      core + [
        "MLS", "SottoProtocol", "ConversationEngine", "DeviceStorage", "MailboxClient", "BreachDrill", "MailboxEngine",
        "MailboxEngineTesting", "TestSupport",
      ]),
  ],
  swiftLanguageModes: [.v6]
)
